"""Run training and scoring in child processes, as many at once as there are devices.

Each run has a process of its own: its peak memory is its own, and its crash takes no other along.
"""

import os
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from subprocess import Popen

import torch

from mothertongue.comparison.jobs.task import (
    IsCut,
    Runner,
    Task,
    TaskWatcher,
    last_word,
    never,
    refuse_failed,
)
from mothertongue.errors import ConfigError, Interrupted, Preempted
from mothertongue.model.devices import processors
from mothertongue.system.processes import start
from mothertongue.training.signals import StopRequest

POLL_S = 0.2


def slots(jobs: int | None, devices: int = 1) -> list[dict[str, str]]:
    """Return an environment for each parallel run: its own GPUs, or a share of the cores.

    `jobs` None: as many as there are GPUs for, or one. `devices`: the number for each
    run. Raises ConfigError for more than there are.
    """
    gpus = torch.cuda.device_count()
    most = gpus or processors()
    count = jobs if jobs is not None else max(1, gpus // devices)
    if count * devices > most:
        kind = "GPUs" if gpus else "processors"
        each = f" of {devices} devices each" if devices > 1 else ""
        raise ConfigError(f"--jobs {count}{each}: this process may use {most} {kind}; give less")
    if gpus:
        names = _visible_gpus(gpus)
        shares = [names[i * devices : (i + 1) * devices] for i in range(count)]
        return [{"CUDA_VISIBLE_DEVICES": ",".join(each)} for each in shares]
    # Threads of several processes that wait for each other on shared cores are far slower.
    threads = str(most // (count * devices))
    return [{"OMP_NUM_THREADS": threads} if count > 1 else {}] * count


def _visible_gpus(count: int) -> list[str]:
    """Return numbers or UUIDs of the GPUs that this process sees, for CUDA_VISIBLE_DEVICES."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return [str(number) for number in range(count)]
    return [name.strip() for name in visible.split(",")][:count]


def on_this_machine(jobs: int | None, devices: int = 1) -> Runner:
    """Return a runner of tasks in processes on this machine, as many at once as `slots` gives."""
    return partial(run_all, slots(jobs, devices))


def run_all(
    places: Sequence[dict[str, str]],
    tasks: Sequence[Task],
    watcher: TaskWatcher,
    is_cut: IsCut = never,
) -> None:
    """Run every task as `Runner` states: one at each place, in that place's environment."""
    pending, failed, cut = deque(tasks), list[Task](), set[str]()
    running: dict[int, tuple[Task, Popen[bytes]]] = {}
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
                    process = start(task.command, {**os.environ, **places[place]}, task.log)
                    running[place] = (task, process)
            for place, (task, process) in list(running.items()):
                if task.name not in cut and is_cut(task):
                    cut.add(task.name)
                    process.terminate()
                if process.poll() is not None:
                    del running[place]
                    is_fine = process.returncode == 0 or task.name in cut
                    watcher.ended(task.name, is_fine)
                    failed += [] if is_fine else [task]
            watcher.waiting({task.name: last_word(task) for task, _ in running.values()})
            time.sleep(POLL_S)
    refuse_failed(failed)


def _stop(running: Sequence[tuple[Task, Popen[bytes]]]) -> None:
    for _, process in running:
        process.terminate()
    for _, process in running:
        process.wait()
