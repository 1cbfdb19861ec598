"""Child processes that train and score, as many at once as there are devices.

Each run has a process of its own: its peak memory is its own, and its crash takes no other along.
"""

import json
import os
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from mothertongue.errors import ConfigError, Interrupted, MothertongueError, Preempted
from mothertongue.training.stopping import StopRequest

POLL_S = 0.2
TAIL_BYTES = 1000  # more than a line of metrics
LOG_LINES = 3


@dataclass(frozen=True, slots=True)
class Task:
    """A command to run, where its output goes, and the file whose last line tells how it goes."""

    name: str
    command: tuple[str, ...]
    log: Path
    metrics: Path | None = None


class TaskWatcher(Protocol):
    """Who is told how the tasks go, by their names."""

    def total(self, count: int) -> None: ...
    def started(self, name: str) -> None: ...
    def ended(self, name: str, ok: bool) -> None: ...
    def waiting(self, running: Mapping[str, str]) -> None: ...


def slots(jobs: int | None) -> list[dict[str, str]]:
    """The environment of each process that may run at once: a GPU each, or a share of the cores.

    `jobs` None: as many as there are GPUs, or one. Raises ConfigError for more than there are.
    """
    gpus = torch.cuda.device_count()
    most = gpus or os.cpu_count() or 1
    count = jobs if jobs is not None else max(1, gpus)
    if count > most:
        kind = "GPUs" if gpus else "processors"
        raise ConfigError(f"--jobs {count}: this machine has {most} {kind}; give at most {most}")
    if gpus:
        return [{"CUDA_VISIBLE_DEVICES": str(number)} for number in range(count)]
    # Threads of several processes that wait for each other on shared cores are far slower.
    return [{"OMP_NUM_THREADS": str(most // count)} if count > 1 else {}] * count


def run_all(tasks: Sequence[Task], places: list[dict[str, str]], watcher: TaskWatcher) -> None:
    """Run every task; those after a failed one still run.

    Raises MothertongueError naming the failed ones and their last words; Preempted or Interrupted
    when asked to stop, after every child has saved its work.
    """
    pending, failed = deque(tasks), list[Task]()
    running: dict[int, tuple[Task, subprocess.Popen[bytes]]] = {}
    watcher.total(len(tasks))
    with StopRequest() as stop:
        while pending or running:
            if stop.signal is not None:
                _stop(list(running.values()))
                kind = Interrupted if stop.is_interrupt else Preempted
                raise kind(f"stopped by {stop.name}; give the same command again to continue")
            for place in range(len(places)):
                if pending and place not in running:
                    task = pending.popleft()
                    watcher.started(task.name)
                    running[place] = (task, _start(task, places[place]))
            for place, (task, process) in list(running.items()):
                if process.poll() is not None:
                    del running[place]
                    watcher.ended(task.name, process.returncode == 0)
                    failed += [task] if process.returncode else []
            watcher.waiting({task.name: last_word(task) for task, _ in running.values()})
            time.sleep(POLL_S)
    if failed:
        raise MothertongueError(_report(failed))


def last_word(task: Task) -> str:
    """What the last line of the task's metrics says, such as "step 40, loss 0.512"."""
    if task.metrics is None or not task.metrics.is_file():
        return ""
    with task.metrics.open("rb") as file:
        file.seek(max(0, task.metrics.stat().st_size - TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    try:
        found = json.loads(lines[-1])
    except (IndexError, ValueError):  # nothing yet, or a line that is just being written
        return ""
    kind = next((key for key in ("loss", "validation_wer") if key in found), None)
    return f"step {found['step']}" + (f", {kind} {found[kind]:.3f}" if kind else "")


def _start(task: Task, place: dict[str, str]) -> subprocess.Popen[bytes]:
    task.log.parent.mkdir(parents=True, exist_ok=True)
    with task.log.open("ab") as log:
        return subprocess.Popen(
            task.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **place},
            # Ctrl-C is for us alone: we ask the children to save and wait for them.
            start_new_session=True,
        )


def _stop(running: Sequence[tuple[Task, subprocess.Popen[bytes]]]) -> None:
    for _, process in running:
        process.terminate()
    for _, process in running:
        process.wait()


def _report(failed: Sequence[Task]) -> str:
    lines = [f"{len(failed)} tasks failed; mend them and give the same command again, what is done"]
    lines[0] += " is kept:"
    for task in failed:
        words = task.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        lines += [f"  {task.name} (log: {task.log})", *(f"    {w}" for w in words[-LOG_LINES:])]
    return "\n".join(lines)
