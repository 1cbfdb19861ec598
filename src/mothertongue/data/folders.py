"""List folders without what programs hide in them, and operating systems leave in them."""

import os
from collections.abc import Iterator
from pathlib import Path

LEFT_BEHIND = frozenset(
    {"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information"}
)


def is_shown(name: str) -> bool:
    """Return whether a file or folder is neither hidden nor left behind: macOS has ._a.wav beside
    a.wav."""
    return not name.startswith(".") and name.lower() not in LEFT_BEHIND


def shown(folder: Path) -> list[Path]:
    """Return the files and folders in a folder that are shown, in order."""
    return sorted(each for each in folder.iterdir() if is_shown(each.name))


def walk(folder: Path | str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield what `os.walk` does, in order, without what is not shown."""
    for place, below, names in os.walk(folder):
        below[:] = sorted(filter(is_shown, below))
        yield place, below, sorted(filter(is_shown, names))
