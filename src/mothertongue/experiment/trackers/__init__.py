"""Trackers: one module each, which opens accelerate's interface to the library of its name.

A new tracker is one new module here. Its name is that of the module and of the library that must be
installed; `open_tracker(title, folder)` returns it. Nothing is imported before a run asks for it.
"""

import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

PROJECT = "mothertongue"


def tracker_names() -> list[str]:
    """Return the names of the trackers that there are."""
    return sorted(info.name for info in pkgutil.iter_modules(__path__))


def known_tracker(name: str) -> str:
    """Return the name. Raises ValueError where no module has it."""
    if name not in tracker_names():
        raise ValueError(f"no tracker {name!r}; there are {', '.join(tracker_names())}")
    return name


def open_tracker(name: str, folder: Path) -> "GeneralTracker":
    """Return the tracker of a run in a folder; the run's title is the folder's name."""
    module = importlib.import_module(f"{__name__}.{name}")
    tracker: GeneralTracker = module.open_tracker(folder.resolve().name, folder)
    return tracker
