"""Tasks of a comparison: commands that run in separate processes, on any machine."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mothertongue.errors import MothertongueError

TAIL_BYTES = 1000  # more than a line of metrics
LOG_LINES = 3


@dataclass(frozen=True, slots=True)
class Task:
    """A module to run, the file of its output, and its metrics; their last line is its status."""

    name: str
    command: tuple[str, ...]
    """The module and its arguments, as `python -m` takes them."""
    log: Path
    metrics: Path | None = None
    uses: tuple[Path, ...] = ()
    """Files and folders that it reads and writes, besides data and bases."""


class TaskWatcher(Protocol):
    """A receiver of the status of tasks, by name."""

    def total(self, count: int) -> None: ...
    def started(self, name: str) -> None: ...
    def ended(self, name: str, ok: bool) -> None: ...
    def noted(self, message: str) -> None: ...
    def waiting(self, running: Mapping[str, str]) -> None: ...


IsCut = Callable[[Task], bool]
"""A function that is called repeatedly with a running task; True stops the task for good."""


def never(task: Task) -> bool:
    """Return False: no task is cut."""
    return False


class Runner(Protocol):
    """A function that runs every task; a failed task does not stop the others.

    Raises MothertongueError naming the failed ones and their last words; Preempted or Interrupted
    when asked to stop, after every task has saved its work.
    """

    def __call__(
        self, tasks: Sequence[Task], watcher: TaskWatcher, is_cut: IsCut = never
    ) -> None: ...


def last_word(task: Task) -> str:
    """The last line of a task's metrics as text, such as "step 40, loss 0.512"; empty for none."""
    if task.metrics is None or not task.metrics.is_file():
        return ""
    with task.metrics.open("rb") as file:
        file.seek(max(0, task.metrics.stat().st_size - TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    try:
        found = json.loads(lines[-1])
    except (IndexError, ValueError):  # nothing yet, or a line that is just being written
        return ""
    kinds = [key for key in ("loss", "validation_wer", "validation_cer") if key in found]
    return ", ".join([f"step {found['step']}", *(f"{key} {found[key]:.3f}" for key in kinds)])


def refuse_failed(failed: Sequence[Task]) -> None:
    """Raise MothertongueError with the last words of each failed task, if there is one."""
    if not failed:
        return
    lines = [f"{len(failed)} tasks failed; correct them and give the same command again; finished "]
    lines[0] += "tasks are kept:"
    for task in failed:
        log = task.log.read_text(encoding="utf-8", errors="replace") if task.log.is_file() else ""
        words = log.strip().splitlines()
        lines += [f"  {task.name} (log: {task.log})", *(f"    {w}" for w in words[-LOG_LINES:])]
    raise MothertongueError("\n".join(lines))
