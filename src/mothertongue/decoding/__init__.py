"""Log-mel in, text out: one protocol, one module an engine, and the search that they share.

It imports model and data. `lm` is the language model that a search may ask.
"""
