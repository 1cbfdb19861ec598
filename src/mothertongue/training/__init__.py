"""From an experiment to trained weights: batches, steps, loss, validation, several devices, plans.

An experiment comes in; a run's folder with checkpoints, metrics and record goes out. It imports
evaluation (to validate), experiment, strategies, decoding, model and data.
"""
