"""Read audio files as 16 kHz samples: with limits, and never shorter without an error.

A path comes in, float32 samples go out. `headers` reads the lengths and checksums that a container
states, `decoders` decodes, `load` compares both. `recordings` keeps what the next row of a long
recording needs, so that it is not decoded from its start for each row.
"""
