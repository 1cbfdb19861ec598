"""Make what takes long once for all of pytest's workers, by the first that needs it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mothertongue.system.locks import locked


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder of this name, filled by `make`. A test that changes it copies it."""
    home = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        home = home.parent  # each worker has a folder of its own below the session's
    folder, made = home / f"shared-{name}", home / f"shared-{name}.made"
    with locked(home / f"shared-{name}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # another worker may have failed here
            folder.mkdir()
            make(folder)
            made.touch()
    return folder
