"""Runs one experiment again and again, killing it, until it is done; a process of its own.

usage: kill_harness EXPERIMENT RUN PLAN; PLAN is JSON, one kill a line: {"after_s": 0.3}, or
{"at": "rename", "call": 2}: SIGKILL just before the n-th call of a function that touches the disk.
Everything heavy is imported once; each attempt is a fork.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runs import Silent

from mothertongue.experiment import checkpoints
from mothertongue.experiment.config import load_experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.training.run import run

POINTS: dict[str, tuple[Any, str]] = {
    "write tensors": (checkpoints, "save_file"),
    "write sums": (checkpoints, "write_json"),
    "fsync": (os, "fsync"),
    "rename": (Path, "rename"),
    "replace": (Path, "replace"),
    "remove old": (shutil, "rmtree"),
    "retire old": (checkpoints, "keep_newest"),
}


def main() -> None:
    experiment, folder, plan = map(Path, sys.argv[1:])
    kills = [json.loads(line) for line in plan.read_text().splitlines()]
    outcomes = [_attempt(experiment, folder, kill) for kill in [*kills, {}]]
    print(json.dumps(outcomes))


def _attempt(experiment: Path, folder: Path, kill: dict[str, Any]) -> str:
    child = os.fork()
    if child == 0:
        _work(experiment, folder, kill)
    if "after_s" in kill:
        time.sleep(kill["after_s"])
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"exit {os.WEXITSTATUS(status)}"


def _work(experiment: Path, folder: Path, kill: dict[str, Any]) -> None:
    if "at" in kill:
        owner, name = POINTS[kill["at"]]
        setattr(owner, name, _deadly(getattr(owner, name), kill["call"]))
    try:
        run(load_experiment(experiment), RunDir(folder), Silent())
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)


def _deadly(function: Callable[..., Any], call: int) -> Callable[..., Any]:
    calls = 0

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **options)

    return counted
