"""Augment data in training: from a clip's samples and settings, make changed samples and masks.

Every random draw is a function of the run's seed, the epoch and the clip's id. It imports data and
config.
"""
