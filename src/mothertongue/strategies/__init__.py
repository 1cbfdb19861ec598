"""Fine-tuning methods, one in each file; each is a transform of the model.

`base.py` is the contract. A model comes in, and goes out with `requires_grad` on what trains. It
imports model and config.
"""
