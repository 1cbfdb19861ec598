"""Run one task of a comparison in a separate process on a Ray worker.

A node, a worker or the process may die at any time: the task is then tried again somewhere, and a
run continues from its newest checkpoint.
"""

import os
import socket
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mothertongue.comparison.jobs.object_store import Storage
from mothertongue.comparison.jobs.task import Task, last_word
from mothertongue.errors import MothertongueError
from mothertongue.experiment.run_dir import RunDir, is_run
from mothertongue.system.processes import start

POLL_S = 0.5
LOCK_S = 60.0  # for what a killed worker's process still holds


class LostError(Exception):
    """The process was killed or preempted; its input is fine, so it can run again."""


@dataclass(frozen=True, slots=True)
class Place:
    """The driver's working directory, to which the files of tasks are relative, and settings."""

    folder: str
    threads: int
    comparison: Path
    """The comparison's own folder, relative to `folder`."""
    storage: Storage | None = None
    """The storage that gives the nodes the same files; None where they share the folder."""


def work(task: Task, place: Place, board: Any) -> int:
    """Run the task to its end and return its exit code; Ray retries after LostError.

    When the board says stop, it asks the process to save and waits for that; the task is then not
    tried again. It does the same when Ray cancels it. A cancel may have no effect: Ray interrupts
    whatever Python is doing, and some code drops the interrupt.
    """
    os.makedirs(place.folder, exist_ok=True)
    os.chdir(place.folder)
    _wait_for_lock(task)
    files = _Mirror(task, place)
    files.pull()
    node, worker = socket.gethostname(), str(os.getpid())
    stopped = threading.Event()

    def heed(answer: Future[bool]) -> None:
        if answer.exception() or answer.result():  # a board that is gone, or says so
            stopped.set()

    environment = {**os.environ, "OMP_NUM_THREADS": str(place.threads)}
    with start(task.command, environment, task.log) as process:
        try:
            while process.poll() is None:
                files.push_new()
                reply = board.report.remote(
                    task.name, node, worker, last_word(task), files.validations
                )
                # Not ray.get: while it waits, Ray gives this task's processors to another.
                reply.future().add_done_callback(heed)
                if stopped.wait(POLL_S):
                    process.terminate()
                    return process.wait()
        except BaseException:  # Ray cancels with KeyboardInterrupt
            process.terminate()
            process.wait()
            raise
        finally:
            files.push()
    if process.returncode < 0 or process.returncode == 75:
        raise LostError(f"{task.name} ended with {process.returncode}")
    return process.returncode


class _Mirror:
    """Copies a task's files to and from the storage; without a storage it does nothing."""

    def __init__(self, task: Task, place: Place) -> None:
        self._task, self._place = task, place
        self._checkpoints = self._saved()
        self.validations = 0
        """The number of validations in the stored metrics."""

    def pull(self) -> None:
        if self._place.storage:
            for path in self._task.uses:
                self._place.storage.pull(path, self._place.comparison)
            self._checkpoints = self._saved()

    def push_new(self) -> None:
        """Copy all files to the storage after a checkpoint, and the metrics after a validation."""
        if not self._place.storage:
            return
        if self._saved() != self._checkpoints:
            self.push()
        metrics, validations = self._task.metrics, self._validated()
        if metrics and validations != self.validations:
            self._place.storage.push(metrics, self._place.comparison)
            self.validations = validations

    def push(self) -> None:
        if self._place.storage:
            self._checkpoints = self._saved()
            for path in (*self._task.uses, self._task.log):
                self._place.storage.push(path, self._place.comparison)

    def _validated(self) -> int:
        metrics = self._task.metrics
        lines = metrics.read_bytes() if metrics and metrics.is_file() else b""
        return lines.count(b'"validation_wer"')

    def _saved(self) -> set[str]:
        runs = [RunDir(path) for path in self._task.uses]
        return {path.name for run in runs for path in run.checkpoints.glob("step-*")}


def _wait_for_lock(task: Task) -> None:
    """Wait until no other process works in the task's run; past LOCK_S the task reports it."""
    runs = [RunDir(path) for path in task.uses if is_run(path)]
    until = time.monotonic() + LOCK_S
    for run in runs:
        while time.monotonic() < until:
            with suppress(MothertongueError), run.locked():
                break
            time.sleep(POLL_S)
