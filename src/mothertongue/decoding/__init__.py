"""Speech to text with a Whisper: one protocol, one module an engine."""
