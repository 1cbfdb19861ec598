"""Data augmentation in training: a clip's samples and its settings in, other samples and masks out.

Every draw is a function of the run's seed, the epoch and the clip's id. It imports data and config.
"""
