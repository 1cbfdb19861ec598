"""A comparison's tasks on a Ray cluster, or on one that lives only as long as the comparison.

Each task is a Ray task with its share of processors and GPUs. What a lost worker or node was doing
is tried again elsewhere; the folder of the comparison must be one that every node sees.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, TaskCancelledError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mothertongue.comparison.ray_task import LostError, Place, work
from mothertongue.comparison.storage import Storage
from mothertongue.comparison.tasks import (
    IsCut,
    Runner,
    Task,
    TaskWatcher,
    never,
    refuse_failed,
)
from mothertongue.errors import ConfigError, Interrupted, Preempted
from mothertongue.training.stopping import StopRequest

HERE = "local"
RETRIES = 10  # of a task whose worker or node is lost
POLL_S = 0.2
KNOCK_S = 10.0


@dataclass(frozen=True, slots=True)
class Share:
    """What one run takes of a cluster; None: a GPU where there are any, else a whole node."""

    cpus: float | None = None
    gpus: float | None = None


@contextmanager
def on_ray(
    address: str, share: Share, folder: Path, storage: Storage | None = None
) -> Iterator[Runner]:
    """Tasks on the cluster at `address`: `auto`, HOST:PORT, ray://..., or `local` to start one.

    `folder` is the comparison's: one that all nodes see, unless they have a `storage`. Raises
    ConfigError where there is no such cluster, none of its nodes is large enough, or the storage
    cannot be written to; Preempted where the driver's own node dies.
    """
    if storage:
        storage.check()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        _knock(address)
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
        yield partial(_run_all, _options(share, ray.nodes()), folder, storage)
    except RayError as error:  # what tasks raise is dealt with where they end
        raise Preempted(f"Ray lost this node ({error}); give the same command again") from error
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=KNOCK_S).close()


def _run_all(
    options: dict[str, Any],
    folder: Path,
    storage: Storage | None,
    tasks: Sequence[Task],
    watcher: TaskWatcher,
    is_cut: IsCut = never,
) -> None:
    """What `Runner` promises, for tasks whose names differ."""
    board = _board()
    place = Place(str(Path.cwd()), max(1, int(options["num_cpus"])), folder, storage)
    if storage and is_cut is not never:
        raise ConfigError(
            "halving needs a folder that all nodes see, where the driver reads each validation; "
            "leave --storage out, or halving"
        )
    if storage:
        for path in [path for task in tasks for path in task.uses if path.is_file()]:
            storage.push(path, folder)  # a task's settings: only we have them
    retried = {"max_retries": RETRIES, "retry_exceptions": [LostError], "max_calls": 1}
    settings: dict[str, Any] = options | retried
    remote: Any = ray.remote(**settings)(work)
    watcher.total(len(tasks))
    with StopRequest() as stop:
        open_tasks = {remote.remote(task, place, board): task for task in tasks}
        attempts, failed, cut = _Attempts(watcher), list[Task](), set[str]()
        while open_tasks:
            if stop.signal is not None:
                _cancel(list(open_tasks))
                kind = Interrupted if stop.is_interrupt else Preempted
                raise kind(f"stopped by {stop.name}; give the same command again to continue")
            news: dict[str, tuple[str, int, str]] = ray.get(board.read.remote())
            attempts.tell(news)
            for ref, task in open_tasks.items():
                if task.name in news and task.name not in cut and is_cut(task):
                    cut.add(task.name)
                    ray.cancel(ref)
            done, _ = ray.wait(list(open_tasks), timeout=POLL_S)
            for ref in done:
                task = open_tasks.pop(ref)
                if storage:
                    for path in (*task.uses, task.log):
                        storage.pull(path, folder, without="checkpoints")
                is_fine = _outcome(ref, task) or task.name in cut
                watcher.ended(task.name, is_fine)
                failed += [] if is_fine else [task]
            names = {task.name for task in open_tasks.values()}
            watcher.waiting(
                {
                    name: f"on {node}{_again(attempt)} {word}".strip()
                    for name, (node, attempt, word) in news.items()
                    if name in names
                }
            )
    refuse_failed(failed)


class _Board:
    """Where tasks say how they go; an actor, beside the driver."""

    def __init__(self) -> None:
        self.news: dict[str, tuple[str, int, str]] = {}
        self.workers: dict[str, list[str]] = {}

    def tell(self, name: str, node: str, worker: str, word: str) -> None:
        workers = self.workers.setdefault(name, [])
        if worker not in workers:
            workers.append(worker)
        self.news[name] = (node, len(workers), word)

    def read(self) -> dict[str, tuple[str, int, str]]:
        """Of each task that has begun: its node, how many times it was tried, its last word."""
        return self.news


class _Attempts:
    """Tells of a task when it starts, and when it has to start again."""

    def __init__(self, watcher: TaskWatcher) -> None:
        self.watcher, self.known = watcher, dict[str, int]()

    def tell(self, news: dict[str, tuple[str, int, str]]) -> None:
        for name, (node, attempt, _) in news.items():
            before = self.known.get(name, 0)
            if not before:
                self.watcher.started(f"{name} on {node}")
            elif attempt > before:
                self.watcher.noted(f"{name} was lost; it goes on at {node} (try {attempt})")
            self.known[name] = attempt


def _again(attempt: int) -> str:
    return f" (try {attempt})" if attempt > 1 else ""


def _board() -> Any:
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return ray.remote(_Board).options(num_cpus=0, scheduling_strategy=here).remote()


def _outcome(ref: Any, task: Task) -> bool:
    try:
        return bool(ray.get(ref) == 0)
    except (RayError, LostError) as error:
        if not isinstance(error, TaskCancelledError):
            with task.log.open("a", encoding="utf-8") as log:
                log.write(f"lost {RETRIES + 1} times: {error}\n")
        return False


def _cancel(refs: Sequence[Any]) -> None:
    """Let every task save its work, and wait for that."""
    for ref in refs:
        ray.cancel(ref)
    ray.wait(list(refs), num_returns=len(refs))


def _options(share: Share, nodes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Ray's resources of one task."""
    sizes = [each["Resources"] for each in nodes if each["Alive"]]
    gpus = share.gpus if share.gpus is not None else float(any("GPU" in each for each in sizes))
    whole = min(each.get("CPU", 1.0) for each in sizes)
    cpus = share.cpus if share.cpus is not None else (1.0 if gpus else whole)
    fits = [e for e in sizes if e.get("CPU", 0.0) >= cpus and e.get("GPU", 0.0) >= gpus]
    if not fits:
        largest = ", ".join(f"{e.get('CPU', 0):g} CPUs and {e.get('GPU', 0):g} GPUs" for e in sizes)
        raise ConfigError(
            f"a run takes {cpus:g} CPUs and {gpus:g} GPUs, but no node has as many: {largest}; "
            "give less with --cpus-per-run or --gpus-per-run"
        )
    return {"num_cpus": cpus, "num_gpus": gpus}
