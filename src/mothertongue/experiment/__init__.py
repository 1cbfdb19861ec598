"""A run as it lies on disk: settings, identity, records, checkpoints, and the model they make.

YAML and a run's folder come in; checked settings, records and loaded models go out. It imports
strategies, decoding's settings, model and data, and trains nothing.
"""
