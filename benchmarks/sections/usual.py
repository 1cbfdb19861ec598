"""A default run as a user has it: its memory over many steps, its speed beside other programs.

The experiment states nothing but the data and the base: batches, steps at 30 s, precision and
threads are those of `mothertongue train`.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from children import child

from mothertongue.model.load import Base
from mothertongue.system import runtime

Json = dict[str, Any]
BUSY = (0, 1, 2)
FEW_STEPS = 10
WARM_UP = 2
LOOP = "while True: pass"
SPINS = "300000"  # GNU's own default
FEW_SPINS = "3000"


def measure(options: argparse.Namespace, base: Base, folder: Path) -> Json:
    """Peak memory after so many steps, and seconds a step for each way that threads wait."""
    del base, folder  # the child opens the base itself and keeps nothing
    usual = _experiment(options, {})
    long = child(
        "programs/ours.py",
        {"experiment": usual, "stop_after": options.usual_steps},
        options.threads,
        policies()["sleep, as mothertongue sets it"],
    )
    seconds: dict[str, dict[int, list[float]]] = {
        name: {busy: [] for busy in BUSY} for name in policies()
    }
    # Steps of one kind, so that a few of them can be compared.
    request = {
        "experiment": _experiment(options, {"full_context_share": 0.0}),
        "stop_after": FEW_STEPS,
    }
    for _ in range(options.rounds):
        for busy in BUSY:
            for name, environment in policies().items():
                with busy_loops(busy):
                    reply = child("programs/ours.py", request, options.threads, environment)
                seconds[name][busy].append(median(reply["step_s"][WARM_UP:]))
    return {
        "steps": options.usual_steps,
        "step_s": round(median(long["step_s"][WARM_UP:]), 3),
        "peak_memory_bytes": long["peak_memory_bytes"],
        "rounds": options.rounds,
        "beside": {
            name: {str(busy): _summary(found) for busy, found in by_busy.items()}
            for name, by_busy in seconds.items()
        },
    }


def policies() -> dict[str, dict[str, str]]:
    """The environments that are compared, by what their threads do while they wait."""
    ours: dict[str, str] = {}
    runtime.set_up(ours)
    return {
        "spin, as torch ships": ours | {"GOMP_SPINCOUNT": SPINS},
        "spin a hundredth of that": ours | {"GOMP_SPINCOUNT": FEW_SPINS},
        "sleep, as mothertongue sets it": ours,
        "one thread": ours | {"OMP_NUM_THREADS": "1"},
    }


@contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """So many processes that each take a core while the block runs."""
    loops = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(count)]
    try:
        yield
    finally:
        for each in loops:
            each.kill()
            each.wait()


def _experiment(options: argparse.Namespace, train: Json) -> Json:
    return {
        "name": "usual",
        "base": options.base,
        "language": options.language,
        "data": str(options.data.resolve()),
        "strategy": {"kind": "full"},
        "train": {"precision": options.precision, **train},
    }


def _summary(seconds: list[float]) -> Json:
    return {
        "step_s": round(median(seconds), 3),
        "range": [round(min(seconds), 3), round(max(seconds), 3)],
    }
