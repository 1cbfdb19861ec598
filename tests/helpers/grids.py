"""What tests of comparisons share."""

import atexit
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp

from runs import Silent

from mothertongue.comparison.average_worker import AverageRequest, make_average
from mothertongue.comparison.grid import Grid
from mothertongue.comparison.jobs.task import IsCut, Task, TaskWatcher, never
from mothertongue.comparison.score_worker import Request, score_sets
from mothertongue.config import parse
from mothertongue.experiment.config import Experiment, load_experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.training.run import run

MakeGrid = Callable[..., Grid]
TRAINED = Path(mkdtemp(prefix="trained-"))
atexit.register(shutil.rmtree, TRAINED, ignore_errors=True)


class Quiet:
    """A watcher that remembers which tasks there were."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.notes: list[str] = []

    def total(self, count: int) -> None: ...

    def started(self, name: str) -> None: ...

    def ended(self, name: str, ok: bool) -> None:
        self.done.append(name)

    def noted(self, message: str) -> None:
        self.notes.append(message)

    def waiting(self, running: Mapping[str, str]) -> None: ...


def in_process(tasks: Sequence[Task], watcher: TaskWatcher, is_cut: IsCut = never) -> None:
    """A runner of tasks right here: a process each would take seconds to start."""
    for task in tasks:
        watcher.started(task.name)
        if "train" in task.command:
            train(load_experiment(Path(task.command[-3])), Path(task.command[-1]))
        elif "mothertongue.comparison.average_worker" in task.command:
            request = json.loads(Path(task.command[-1]).read_text("utf-8"))
            make_average(parse(AverageRequest, request, "request"))
        else:
            request = json.loads(Path(task.command[-1]).read_text("utf-8"))
            score_sets(parse(Request, request, "request"))
        watcher.ended(task.name, True)


def train(experiment: Experiment, out: Path) -> None:
    """Train, or copy what was trained of the same settings and files: its bits are the same.

    What is begun is continued.
    """
    if out.exists():
        run(experiment, RunDir(out), Silent())
        return
    settings = experiment.model_dump_json()
    named = [Path(each) for each in re.findall(r'"(/[^"]+)"', settings)]
    files = [file for path in named for file in (path, *sorted(path.glob("*")))]
    facts = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    kept = TRAINED / hashlib.sha256(repr((settings, facts)).encode()).hexdigest()
    run(experiment, RunDir(kept), Silent())  # nothing to do where it is done
    shutil.copytree(kept, out)
