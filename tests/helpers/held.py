"""Runs that wait before a checkpoint until a test lets them go on.

A kill or a signal then meets a run in its middle, however fast or busy the machine is, and the run
can be short.
"""

import os
import sys
from pathlib import Path

import psutil
import pytest

HELD_IN, HELD_BEFORE = "MOTHERTONGUE_TEST_HELD_IN", "MOTHERTONGUE_TEST_HELD_BEFORE"
START = f"""
import os, pathlib, re, select, signal

rename, is_free = pathlib.Path.rename, False


def held(self, target):
    global is_free
    home, before = os.environ.get("{HELD_IN}"), int(os.environ.get("{HELD_BEFORE}", 0))
    step = re.search(r"/checkpoints/step-(\\d+)$", str(target))
    if home and step and int(step[1]) >= before and not is_free:
        wait(pathlib.Path(home))
        is_free = True
    return rename(self, target)


def wait(home):
    mine = home / str(os.getpid())
    signals, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing)
    mine.touch()
    while not ((home / "go").exists() or select.select([signals], [], [], 0.05)[0]):
        pass
    mine.unlink()
    signal.set_wakeup_fd(before)


pathlib.Path.rename = held
"""


class Held:
    """Runs in processes that are started from now on wait before the checkpoint of a step.

    Or before a later one, if that is their first. Each waits once, until the test lets all of them
    go, or a signal comes that it handles.
    """

    def __init__(self, home: Path, step: int, patch: pytest.MonkeyPatch) -> None:
        self.home = home
        home.mkdir()
        (home / "sitecustomize.py").write_text(START)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(home), *sys.path]))
        patch.setenv(HELD_IN, str(home))
        patch.setenv(HELD_BEFORE, str(step))

    def waiting(self) -> set[int]:
        """The processes that wait."""
        names = [path.name for path in self.home.iterdir()]
        return {int(name) for name in names if name.isdigit() and _is_alive(int(name))}

    def let_go(self) -> None:
        """Nobody waits from now on."""
        (self.home / "go").touch()


def _is_alive(number: int) -> bool:
    try:
        return bool(psutil.Process(number).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
