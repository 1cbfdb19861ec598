"""The folder of what mothertongue keeps for itself."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return where mothertongue keeps its own files: $MOTHERTONGUE_CACHE, else the user's cache.

    Results do not depend on them. Without them something is computed, joined or allowed again.
    """
    if home := os.environ.get("MOTHERTONGUE_CACHE"):
        return Path(home)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mothertongue"
