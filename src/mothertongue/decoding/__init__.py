"""Decode audio to text: one protocol, one module for each engine, and a shared search.

Log-mel features come in, transcripts go out. It imports model and data. `lm` is the language model
that a search may use.
"""
