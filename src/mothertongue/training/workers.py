"""Processes that decode audio ahead of the model: how many, how they start, how a loss is told."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from mothertongue.errors import Preempted
from mothertongue.model.devices import best_device, processors
from mothertongue.system.processes import BROKEN, await_end, children

T = TypeVar("T")

MOST_WORKERS = 12
PATIENCE_S = 5.0
"""How long the end of a worker is waited for whose message broke off."""


@contextmanager
def workers_outlived() -> Iterator[None]:
    """A context in which a killed or hanging worker ends the run with Preempted.

    It surrounds all of the training: torch raises from a signal's handler, wherever the run is.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader "):
            raise
        raise _lost(str(error).splitlines()[0]) from error


def received(loader: Iterable[T]) -> Iterator[T]:
    """Yield what the workers of a DataLoader send.

    Raises Preempted where a worker died while it sent: torch then may see a broken message before
    it hears of the death.
    """
    batches = iter(loader)
    workers = children()
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except BROKEN as error:
            is_own = str(error).startswith("Caught ")  # an error of its work, which it sent whole
            if is_own or not await_end(workers, PATIENCE_S):
                raise
            raise _lost(f"what it sent broke off: {type(error).__name__}") from error
        yield batch


def _lost(said: str) -> Preempted:
    return Preempted(
        f"a process that reads clips was lost ({said}); systems kill such processes for their "
        "memory, and a disk can hang. The newest checkpoint is whole: give the same command "
        "again to continue, with train.workers=0 if it is lost again"
    )


def usual_workers() -> int:
    """Return how many there are if the settings do not say it; none if the model has the cores."""
    has_gpu = best_device().type == "cuda"
    return max(1, min(MOST_WORKERS, processors() - 2)) if has_gpu else 0


def start_method() -> str | None:
    """Return how workers start: as forks on Linux, so that they end with the run, their parent.

    From Python 3.14 on the default there is a server that outlives a killed run. None elsewhere:
    the system's default.
    """
    return "fork" if sys.platform == "linux" else None
