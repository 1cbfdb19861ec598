"""Contexts of a training: the same bits each time, and no garbage collection of what stays."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """A context in which a CPU gives the same bits each time, with any number of threads.

    Without it the gradient of the decoder's positions is added up in the order in which threads
    happen to finish. On a GPU it would cost speed and still not be complete: nothing is promised.
    """
    before = torch.are_deterministic_algorithms_enabled()
    settings: Any = torch.utils.deterministic  # a module with a property
    fills = settings.fill_uninitialized_memory
    torch.use_deterministic_algorithms(device.type == "cpu" or before)
    # It would write every tensor twice, so that code which reads what was never written repeats
    # its error; the tests for equal bits would find such code.
    settings.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        settings.fill_uninitialized_memory = fills


@contextmanager
def frozen_garbage() -> Iterator[None]:
    """A context in which garbage collection passes over all that is there when it begins.

    To look at all modules and the model can take longer than a step on a GPU, and they stay until
    the end anyway. Where the caller has frozen objects, all stays as it is: Python can only release
    all of them together.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
