"""Audio files as 16 kHz samples, bounded and never silently shorter.

A path comes in, float32 samples go out. `headers` reads the lengths and checksums that a container
states, `decoders` decodes, `load` holds one against the other.
"""
