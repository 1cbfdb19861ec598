"""From an experiment to trained weights: batches, steps, loss, validation, several devices, plans.

An experiment comes in; a run's folder with checkpoints, metrics and record goes out. Where there is
none yet, a corpus comes in, and a proposed experiment goes out. It imports
evaluation (to validate), experiment, strategies, decoding, model and data.
"""
