"""Run a comparison's tasks on a Ray cluster, existing or started for this comparison.

Each task is a Ray task with its share of processors and GPUs. The task of a lost worker or node is
tried again elsewhere; the folder of the comparison must be one that every node sees.
"""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, TaskCancelledError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mothertongue.comparison.jobs.object_store import Storage
from mothertongue.comparison.jobs.ray_worker import LostError, Place, work
from mothertongue.comparison.jobs.task import (
    IsCut,
    Runner,
    Task,
    TaskWatcher,
    never,
    refuse_failed,
)
from mothertongue.errors import ConfigError, Interrupted, Preempted
from mothertongue.training.signals import StopRequest

HERE = "local"
RETRIES = 10  # of a task whose worker or node is lost
POLL_S = 0.2
KNOCK_S = 10.0


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """The status of a task that has begun."""

    node: str
    tries: int
    status: str
    validations: int
    """The number of validations in its metrics in the storage, where there is one."""


Statuses = dict[str, TaskStatus]


@dataclass(frozen=True, slots=True)
class Share:
    """The resources of one run; None: a GPU for each device if there are any, else a whole node."""

    cpus: float | None = None
    gpus: float | None = None
    devices: int = 1
    """The processes of a run, see `mothertongue train --devices`."""


@contextmanager
def on_ray(
    address: str, share: Share, folder: Path, storage: Storage | None = None
) -> Iterator[Runner]:
    """Return a runner for the cluster at `address`: `auto`, HOST:PORT, ray://... or `local`.

    `folder` is the comparison's: one that all nodes see, unless they have a `storage`. Raises
    ConfigError where there is no such cluster, none of its nodes is large enough, or the storage
    cannot be written to; Preempted where the driver's own node dies.
    """
    if storage:
        storage.check()
    try:
        _check_reachable(address)
        # Every worker imports from the folder in which Ray is started first, be it anybody's.
        with chdir(os.sep):
            ray.init(
                address,
                include_dashboard=False if address == HERE else None,
                configure_logging=False,
                log_to_driver=False,
                namespace="mothertongue",
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"--ray {address}: no Ray cluster there ({error}); start one with ray start --head, "
            f"or give --ray {HERE}"
        ) from None
    try:
        yield _RayRunner(_options(share, ray.nodes()), share.devices, folder, storage)
    except RayError as error:  # what tasks raise is dealt with where they end
        raise Preempted(f"Ray lost this node ({error}); give the same command again") from error
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise OSError if no server listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=KNOCK_S).close()


@dataclass(frozen=True, slots=True)
class _RayRunner:
    """A `Runner` on a Ray cluster; the names of its tasks must differ."""

    options: dict[str, Any]
    devices: int
    folder: Path
    storage: Storage | None

    def __call__(self, tasks: Sequence[Task], watcher: TaskWatcher, is_cut: IsCut = never) -> None:
        self._share_inputs(tasks)
        board = _board()
        watcher.total(len(tasks))
        with StopRequest() as stop:
            running = _Running(self._submitted(tasks, board), watcher, board.stop.remote)
            while running.tasks:
                if stop.signal is not None:
                    running.cancel()
                    kind = Interrupted if stop.is_interrupt else Preempted
                    raise kind(f"stopped by {stop.name}; give the same command again to continue")
                running.handle_statuses(ray.get(board.read.remote()), self._fetch_metrics, is_cut)
                running.handle_ended(self._fetch)
        refuse_failed(running.failed)

    def _share_inputs(self, tasks: Sequence[Task]) -> None:
        """Copy the tasks' settings, which only the driver has, to the storage."""
        if self.storage:
            for path in [path for task in tasks for path in task.uses if path.is_file()]:
                self.storage.push(path, self.folder)

    def _submitted(self, tasks: Sequence[Task], board: Any) -> dict[Any, Task]:
        threads = max(1, int(self.options["num_cpus"]) // self.devices)
        place = Place(str(Path.cwd()), threads, self.folder, self.storage)
        retried = {"max_retries": RETRIES, "retry_exceptions": [LostError], "max_calls": 1}
        settings: dict[str, Any] = self.options | retried
        remote: Any = ray.remote(**settings)(work)
        return {remote.remote(task, place, board): task for task in tasks}

    def _fetch_metrics(self, task: Task) -> None:
        """Copy the metrics of a running run from the storage, for halving."""
        if self.storage and task.metrics:
            self.storage.pull(task.metrics, self.folder)

    def _fetch(self, task: Task) -> None:
        """Copy the files of a task that the driver reads from the storage, if there is one."""
        if self.storage:
            for path in (*task.uses, task.log):
                self.storage.pull(path, self.folder, without="checkpoints")


class _Running:
    """Running tasks by their Ray references."""

    def __init__(
        self, tasks: dict[Any, Task], watcher: TaskWatcher, stop: Callable[[list[str]], Any]
    ) -> None:
        """`stop` takes the names of tasks that have begun and asks them to save and end."""
        self.tasks, self.watcher, self._stop = tasks, watcher, stop
        self.failed: list[Task] = []
        self._cut, self._last = set[str](), dict[str, TaskStatus]()

    def handle_statuses(
        self, news: Statuses, fetch_metrics: Callable[[Task], None], is_cut: IsCut
    ) -> None:
        """Notify the watcher of tasks that started, or started again; stop those that are cut."""
        words = {}
        for task in self.tasks.values():
            if task.name not in news:
                continue
            word, before = news[task.name], self._last.get(task.name)
            self._tell_start(task.name, word, before)
            again = f" (try {word.tries})" if word.tries > 1 else ""
            words[task.name] = f"on {word.node}{again} {word.status}".strip()
            if word.validations != (before.validations if before else 0):
                fetch_metrics(task)
            self._last[task.name] = word
            if task.name not in self._cut and is_cut(task):
                self._cut.add(task.name)
                self._stop([task.name])
        self.watcher.waiting(words)

    def handle_ended(self, fetch: Callable[[Task], None]) -> None:
        """Handle the tasks that have ended, or wait a moment for one to end."""
        done, _ = ray.wait(list(self.tasks), timeout=POLL_S)
        for ref in done:
            task = self.tasks.pop(ref)
            fetch(task)
            is_fine = _is_fine(ref, task) or task.name in self._cut
            self.watcher.ended(task.name, is_fine)
            self.failed += [] if is_fine else [task]

    def cancel(self) -> None:
        """Let every task save its work, and wait for that."""
        self._stop([task.name for task in self.tasks.values()])
        for ref, task in self.tasks.items():
            if task.name not in self._last:  # it need not begin
                ray.cancel(ref)
        ray.wait(list(self.tasks), num_returns=len(self.tasks))

    def _tell_start(self, name: str, word: TaskStatus, before: TaskStatus | None) -> None:
        if before is None:
            self.watcher.started(f"{name} on {word.node}")
        elif word.tries > before.tries:
            self.watcher.noted(f"{name} was lost; it continues at {word.node} (try {word.tries})")


class _StatusBoard:
    """An actor on the driver's node that receives the status of each task."""

    def __init__(self) -> None:
        self.news: Statuses = {}
        self.workers: dict[str, list[str]] = {}
        self.stopped = set[str]()

    def report(self, name: str, node: str, worker: str, status: str, validations: int) -> bool:
        """Record the status of a task and return whether it is to stop."""
        workers = self.workers.setdefault(name, [])
        if worker not in workers:
            workers.append(worker)
        self.news[name] = TaskStatus(node, len(workers), status, validations)
        return name in self.stopped

    def stop(self, names: list[str]) -> None:
        self.stopped.update(names)

    def read(self) -> Statuses:
        return self.news


def _board() -> Any:
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return ray.remote(_StatusBoard).options(num_cpus=0, scheduling_strategy=here).remote()


def _is_fine(ref: Any, task: Task) -> bool:
    try:
        return bool(ray.get(ref) == 0)
    except (RayError, LostError) as error:
        if not isinstance(error, TaskCancelledError):
            task.log.parent.mkdir(parents=True, exist_ok=True)
            with task.log.open("a", encoding="utf-8") as log:
                log.write(f"Ray gave it up: {error}\n")
        return False


def _options(share: Share, nodes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return Ray's options for the resources of one task."""
    sizes = [each["Resources"] for each in nodes if each["Alive"]]
    has_gpus = any("GPU" in each for each in sizes)
    gpus = share.gpus if share.gpus is not None else float(share.devices if has_gpus else 0)
    whole = min(each.get("CPU", 1.0) for each in sizes)
    cpus = share.cpus if share.cpus is not None else (float(share.devices) if gpus else whole)
    if gpus > share.devices or (share.devices > 1 and gpus not in (0, share.devices)):
        expected = f"{share.devices}, one a device" if share.devices > 1 else "at most 1"
        raise ConfigError(
            f"--gpus-per-run {gpus:g}: expected {expected}; --devices-per-run gives a run more"
        )
    fits = [e for e in sizes if e.get("CPU", 0.0) >= cpus and e.get("GPU", 0.0) >= gpus]
    if not fits:
        largest = ", ".join(f"{e.get('CPU', 0):g} CPUs and {e.get('GPU', 0):g} GPUs" for e in sizes)
        raise ConfigError(
            f"a run takes {cpus:g} CPUs and {gpus:g} GPUs, but no node has as many: {largest}; "
            "give less with --cpus-per-run or --gpus-per-run"
        )
    return {"num_cpus": cpus, "num_gpus": gpus}
