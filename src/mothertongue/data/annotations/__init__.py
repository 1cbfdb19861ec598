"""Time-stamped annotation files, one format a module: tiers of segments come out.

`segments.py` has what all of them give, `tiers.py` chooses among tiers, and `media.py` finds the
recording. A file that cannot be read raises Fault.
"""
