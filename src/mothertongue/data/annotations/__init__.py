"""Read time-stamped annotation files, one format in each module, as tiers of segments.

`segments.py` has the data that all formats give, `tiers.py` chooses among tiers, and `media.py`
finds the recording. A file that cannot be read raises Fault.
"""
