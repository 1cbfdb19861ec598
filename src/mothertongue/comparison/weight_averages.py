"""Plan the averages of a comparison: one for each strategy and language, of its chosen runs.

They are made after the choice and before the test. An average is one model, however many seeds it
is made of: it is never counted as a run of its strategy.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import WhisperConfig

from mothertongue.comparison.average_worker import AverageRequest, is_averaged
from mothertongue.comparison.grid import Candidate, Grid, WeightAverages
from mothertongue.comparison.jobs.task import Task
from mothertongue.comparison.reuse import Noted
from mothertongue.comparison.selection import Choice
from mothertongue.errors import ConfigError
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.records import AverageRecord
from mothertongue.experiment.run_dir import RunDir
from mothertongue.system.files import write_json

SEED = re.compile(r"-seed\d+$")


@dataclass(frozen=True, slots=True)
class PlannedAverage:
    """The average of one strategy in one language."""

    language: str
    arm: str
    runs: tuple[str, ...]
    """The runs whose weights are averaged."""

    @property
    def name(self) -> str:
        """The name of the new run. Strategies that share their runs share it too."""
        return SEED.sub("-average", self.runs[0])

    def run_dir(self, folder: Path) -> RunDir:
        """Return the folder of the new run, below the comparison's folder."""
        return RunDir(folder / "runs" / self.name)

    def record(self, folder: Path) -> AverageRecord:
        """Return the scores of the average, from the record of the new run."""
        record = self.run_dir(folder).read_record().average
        assert record, "the new run is an average"
        return record

    def tested(self, folder: Path) -> RunDir:
        """Return the run that is scored on the test split, of the same weights as the average.

        Alpha 1 of a single run is this run, which is scored anyway.
        """
        is_the_run = len(self.runs) == 1 and self.record(folder).alpha == 1
        return RunDir(folder / "runs" / self.runs[0]) if is_the_run else self.run_dir(folder)


def planned_averages(
    grid: Grid,
    choices: Sequence[Choice],
    candidates: Sequence[Candidate],
    config: WhisperConfig,
    folder: Path,
    noted: Noted,
) -> list[PlannedAverage]:
    """Return the averages to make of the chosen runs; `config` is the base's.

    Runs that have no mean are passed to `noted`, and the best of them on validation is swept.
    """
    settings = grid.average
    if settings is None:
        return []
    experiments = {each.experiment.name: each.experiment for each in candidates}
    found = []
    for choice in choices:
        where = f"{choice.language}, {choice.arm}"
        if choice.mean_wer is None:
            noted(f"{where}: no validation split to choose an average on, so none is made")
            continue
        ordered = sorted(choice.runs, key=lambda name: _order(choice, folder, name))
        best_first = {name: experiments[name] for name in ordered}
        if names := ingredients(settings, best_first, config, where, noted):
            found.append(PlannedAverage(choice.language, choice.arm, names))
    return found


def ingredients(
    settings: WeightAverages,
    best_first: Mapping[str, Experiment],
    config: WhisperConfig,
    where: str,
    noted: Noted,
) -> tuple[str, ...]:
    """Return the names of the runs to average: all seeds, or the first for a sweep alone, or none.

    The names of several runs are in the order of their seeds.
    """
    all_seeds = sorted(best_first, key=lambda name: best_first[name].train.seed)
    ways = [all_seeds] if settings.soup and len(best_first) > 1 else []
    ways += [list(best_first)[:1]] if settings.with_base else []
    for names in ways:
        try:
            seeds = [best_first[name].train.seed for name in names]
            best_first[names[0]].strategy.check_mean(seeds, config)
        except ConfigError as error:
            noted(f"{where}: {len(names)} runs are not averaged: {error}")
        else:
            return tuple(names)
    return ()


def average_tasks(grid: Grid, averages: Sequence[PlannedAverage], folder: Path) -> Iterator[Task]:
    """Yield a task for each average that is not there yet."""
    for name, each in {each.name: each for each in averages}.items():
        request = _request(grid, each, folder)
        if is_averaged(request):
            continue
        path = folder / "logs" / f"{name}.json"
        write_json(path, request.model_dump(mode="json"))
        command = ("mothertongue.comparison.average_worker", str(path))
        uses = (path, request.out, *request.runs)
        yield Task(f"averaging {name}", command, path.with_suffix(".log"), uses=uses)


def _request(grid: Grid, planned: PlannedAverage, folder: Path) -> AverageRequest:
    assert grid.average is not None
    with_base = grid.average.with_base
    return AverageRequest(
        runs=tuple(folder / "runs" / name for name in planned.runs),
        out=planned.run_dir(folder).path,
        with_base=with_base,
        retention=grid.retention if with_base else {},
    )


def _order(choice: Choice, folder: Path, name: str) -> tuple[float, float, float]:
    found = RunDir(folder / "runs" / name).read_record().best
    assert found is not None, "a choice with a mean has a validation for each run"
    return found.order(choice.measure)
