"""How a Whisper is tuned: one method a file, each a transform of the model."""
