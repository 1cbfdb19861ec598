"""How a Whisper is tuned: one method a file, each a transform of the model.

`base.py` is the contract.
A model comes in, and goes out with `requires_grad` on what trains. It imports model and data.
"""
