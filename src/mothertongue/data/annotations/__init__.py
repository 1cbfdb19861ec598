"""The parts that annotation files of all formats share, and writers of some. Readers are sources.

`segments.py` has the data that all formats give, `tiers.py` chooses among tiers, and `media.py`
finds the recording. A file that cannot be read raises Fault.
"""
