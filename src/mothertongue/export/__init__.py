"""Export a run to other formats (Hugging Face, adapter, CTranslate2, ggml, ONNX) and verify it.

A run's folder comes in; a folder that another engine reads goes out, with a model card and what
that engine transcribed. `base.py` is the contract. It imports evaluation, experiment and below.
"""
