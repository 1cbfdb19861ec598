"""Teach Whisper your mother tongue."""

import os

from mothertongue.system import runtime

__version__ = "0.1.0.dev0"

runtime.silence(os.environ)
