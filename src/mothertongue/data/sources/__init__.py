"""The layouts that a corpus comes in, one a module. `base.py` is the contract.

A file or folder comes in, rows with audio, text and what else the corpus knows go out.
"""
