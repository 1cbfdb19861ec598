"""Steps, batches, loss and checkpoints: how a run gets from its first step to its last."""
