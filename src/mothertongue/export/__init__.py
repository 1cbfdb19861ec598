"""A run in other formats, one a file: Hugging Face, adapter, CTranslate2, ggml, ONNX; and verified.

A run's folder comes in; a folder that another engine reads goes out, with a model card and what
that engine transcribed. `base.py` is the contract. It imports evaluation, experiment and below.
"""
