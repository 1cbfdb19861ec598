"""Importing this lets garbage collection pass over all that was imported before it."""

import gc

gc.collect()
gc.freeze()
