"""Teach Whisper your mother tongue."""

__version__ = "0.1.0.dev0"
