"""SIGKILL at random instants of a verb; then the same command goes on, to the same results.

The results of an undisturbed run are taken twice: what both agree on, bytes of files and values of
JSON, has to be there after a kill too, and nothing else. No process may be left behind either.
"""

import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from faults.counts import Counts
from faults.forked import Outcome, forked, start
from faults.home import PATIENCE_S, Home, must
from faults.jobs import JOBS, TrainingInputs, facts, same
from faults.verbs import Work
from mothertongue.system.console import console

VERBS = ("prepare", "transcribe", "evaluate", "report", "export", "compare")
SEED = 0
ORPHANS_S = 10.0  # what a killed process started may live so long
FAULTS = ("not going on", "other results", "process left")


@dataclass(frozen=True, slots=True)
class Killed:
    """One kill; `fault` is one of FAULTS, or None."""

    verb: str
    after_s: float
    landed: bool
    fault: str | None
    detail: str


def run(home: Home, counts: Counts) -> dict[str, Any]:
    """For each verb: kills that met it alive, and what went wrong after them."""
    verbs = VERBS[: counts.verbs] if counts.verb is None else (counts.verb,)
    found = {name: list(_kills(name, JOBS[name], counts.kills, home)) for name in verbs}
    return {
        "verbs": {
            name: {"kills": sum(each.landed for each in kills)}
            | dict(Counter(each.fault for each in kills if each.fault))
            for name, kills in found.items()
        },
        "found": [_line(each) for kills in found.values() for each in kills if each.fault],
    }


def _kills(name: str, job: TrainingInputs, count: int, home: Home) -> Iterator[Killed]:
    folder = home.folder / "killed"
    expected, seconds = _undisturbed(job, home, folder)
    chance, landed = random.Random(f"{SEED} {name}"), 0
    for _ in range(2 * count):
        after_s = chance.uniform(0, seconds)
        killed = _kill(name, job, after_s, home, folder, expected)
        landed += killed.landed
        if killed.fault:
            console.print(f"  {_line(killed)}", markup=False, highlight=False, soft_wrap=True)
        yield killed
        if landed == count:
            return


def _undisturbed(
    job: TrainingInputs, home: Home, folder: Path
) -> tuple[tuple[dict[str, str], dict[str, str]], float]:
    """The results of two runs, and the seconds of the shorter one."""
    runs = []
    for _ in range(2):
        _laid(job, home, folder)
        outcome = must(forked(_in(folder, job.work(home, folder)), folder, PATIENCE_S))
        runs.append((_results(folder), outcome.seconds))
    (first, first_s), (second, second_s) = runs
    return (first, second), min(first_s, second_s)


def _kill(
    name: str,
    job: TrainingInputs,
    after_s: float,
    home: Home,
    folder: Path,
    expected: tuple[dict[str, str], dict[str, str]],
) -> Killed:
    _laid(job, home, folder)
    child = start(_in(folder, job.work(home, folder)), folder, PATIENCE_S)
    time.sleep(after_s)
    started = psutil.Process(child).children(recursive=True)
    os.kill(child, signal.SIGKILL)
    landed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
    left, was_done = _left_behind(started), not same(expected, _results(folder))
    again = forked(_in(folder, job.work(home, folder)), folder, PATIENCE_S)
    fault, detail = _judge(again, was_done, left, same(expected, _results(folder)))
    return Killed(name, after_s, landed, fault, detail)


def _judge(
    again: Outcome, was_done: bool, left: list[str], others: list[str]
) -> tuple[str | None, str]:
    if again.code != 0 and not was_done:  # a verb may refuse to write over what is whole
        said = again.err.strip().splitlines()[-1:] or [""]
        return "not going on", f"exit {again.code}: {said[0]}"
    if others:
        return "other results", ", ".join(others[:5])
    return ("process left", ", ".join(left)) if left else (None, "")


def _left_behind(started: list[psutil.Process]) -> list[str]:
    """The command lines of what outlives its parent; it is ended here."""
    _, alive = psutil.wait_procs(started, timeout=ORPHANS_S)
    named = []
    for process in alive:
        with process.oneshot():
            named.append(" ".join(process.cmdline()[:5]))
        process.kill()
    return named


def _laid(job: TrainingInputs, home: Home, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tmp").mkdir(parents=True)
    job.lay(home, folder)


def _in(folder: Path, work: Work) -> Work:
    """The work with a temporary folder of its own, to see what is left there."""

    def wrapped() -> int:
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
        return work()

    return wrapped


def _results(folder: Path) -> dict[str, str]:
    return {name: value for name, value in facts(folder).items() if name not in (".out", ".err")}


def _line(killed: Killed) -> str:
    return f"{killed.verb} after {killed.after_s:.2f} s: {killed.fault}: {killed.detail[:300]}"
