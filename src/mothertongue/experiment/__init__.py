"""A run on disk: settings, identity, records, checkpoints, and loading its model.

YAML and a run's folder come in; checked settings, records and loaded models go out. It imports
strategies, decoding's settings, model and data, and trains nothing.
"""
