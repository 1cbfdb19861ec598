"""The folders in which mothertongue keeps its own files."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return where mothertongue keeps its own files: $MOTHERTONGUE_CACHE, else the user's cache.

    Results do not depend on them: without them something is computed or joined again.
    """
    if home := os.environ.get("MOTHERTONGUE_CACHE"):
        return Path(home)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mothertongue"


def state_folder() -> Path:
    """Return the folder for what this user did; it does not depend on the cache's folder."""
    if home := os.environ.get("XDG_STATE_HOME"):
        return Path(home) / "mothertongue"
    return Path.home() / ".local/state/mothertongue"
