"""Whisper: finding and loading its files, tokenizer, log-mel features, encoder and sizes.

A name or folder comes in; a float32 model, its tokenizer and log-mel features go out. It imports
data (samples, languages) and what is below.
"""
