"""Successive halving: what is far behind on validation after some epochs is not trained to the end.

Ray Tune's ASHA (Li et al. 2020, algorithm 2) decides, among the values of one strategy in one
language, on the WER of each validation as it comes. Only runs of the first seed can be cut; the
other seeds of what was cut are then never begun. Every cut is written down when it is made, and
final: a comparison that continues makes none of them again.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mothertongue.comparison.grid import Candidate, Grid, Halving
from mothertongue.comparison.tasks import Task, TaskWatcher
from mothertongue.errors import ConfigError
from mothertongue.files import write_json

CUTS = "cuts.json"
Key = tuple[str, str, str]
"""Language, strategy, and values: what is kept or cut as one."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A combination of values that was not trained to the end, and why."""

    language: str
    strategy: str
    settings: dict[str, Any]
    run: str
    epoch: float
    wer: float
    """On the validation clips, when it was cut."""
    best_wer: float
    """The lowest of the other values of that strategy, up to that epoch or at their first."""
    out_of: int
    """How many values of the strategy had been validated by then."""


@dataclass(slots=True)
class _Trial:
    """A run that may be cut, as Ray Tune's scheduler knows it: by its id."""

    candidate: Candidate
    trial_id: str
    wers: list[tuple[float, float]] = field(default_factory=list)
    """(epoch, WER) of each validation that was counted."""

    def best_by(self, epoch: float) -> float:
        """The lowest WER up to an epoch; the first where that came later, for some validate less
        often than others."""
        return min([wer for at, wer in self.wers if at <= epoch] or [self.wers[0][1]])


class Halvings:
    """The runs of the first seed, each among the other values of its strategy and language."""

    def __init__(
        self, halving: Halving, candidates: Sequence[Candidate], folder: Path, watcher: TaskWatcher
    ) -> None:
        """Remembers the cuts of an earlier call. Raises ConfigError where Ray Tune is missing."""
        self.folder, self.watcher = folder, watcher
        path = folder / CUTS
        before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        self.cuts = [Cut(**each) for each in before]
        self.trials: dict[str, _Trial] = {}
        self._groups: dict[tuple[str, str], list[_Trial]] = defaultdict(list)
        for each in candidates:
            name = each.experiment.name
            if name not in self.trials:
                self.trials[name] = _Trial(each, name)
                self._groups[each.language, each.arm].append(self.trials[name])
        self._schedulers = {
            group: _scheduler(halving, [each.candidate for each in trials])
            for group, trials in self._groups.items()
        }
        for trial in self.trials.values():
            self._scheduler(trial).on_trial_add(None, trial)
            self._hear(trial)

    def is_cut(self, task: Task) -> bool:
        """Whether the run is to be stopped now."""
        trial = self.trials[task.name]
        stop, told = self._hear(trial)
        if stop:
            self._cut(trial, *told)
        return stop

    def survives(self, candidate: Candidate) -> bool:
        """Whether these values, with whatever seed, are still in."""
        return _key(candidate) not in {
            (each.language, each.strategy, _values(each.settings)) for each in self.cuts
        }

    def _hear(self, trial: _Trial) -> tuple[bool, tuple[float, float]]:
        """Count what the run has validated since; whether that is reason to stop, and when."""
        stop, told = False, (0.0, 0.0)
        for epoch, wer in list(_validations(self._metrics(trial)))[len(trial.wers) :]:
            trial.wers.append((epoch, wer))
            result = {"epoch": epoch, "wer": wer}
            verdict = self._scheduler(trial).on_trial_result(None, trial, result)
            is_over = epoch >= trial.candidate.experiment.train.epochs
            if verdict == "STOP" and not is_over and not stop:
                stop, told = True, (epoch, wer)
        return stop, told

    def _cut(self, trial: _Trial, epoch: float, wer: float) -> None:
        each = trial.candidate
        group = self._groups[each.language, each.arm]
        reached = [other.best_by(epoch) for other in group if other is not trial and other.wers]
        name = trial.trial_id
        cut = Cut(
            *(each.language, each.arm, each.settings, name),
            *(epoch, wer, min(reached), 1 + len(reached)),
        )
        self.cuts.append(cut)
        write_json(self.folder / CUTS, [asdict(each) for each in self.cuts])
        self.watcher.noted(
            f"cut {name} after {epoch:g} epochs: validation WER {wer:.1%}, the best of "
            f"{cut.out_of} had {cut.best_wer:.1%}"
        )

    def _scheduler(self, trial: _Trial) -> Any:
        return self._schedulers[trial.candidate.language, trial.candidate.arm]

    def _metrics(self, trial: _Trial) -> Path:
        return trial.candidate.run_dir(self.folder).metrics


def first_seed(grid: Grid, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The runs among which halving chooses."""
    return [each for each in candidates if each.seed == grid.seeds[0]]


def _scheduler(halving: Halving, candidates: Sequence[Candidate]) -> Any:
    if find_spec("ray") is None or find_spec("tensorboardX") is None:
        raise ConfigError("halving needs Ray Tune; pip install 'mothertongue[cluster]'")
    from ray.tune.schedulers import ASHAScheduler

    return ASHAScheduler(
        time_attr="epoch",
        metric="wer",
        mode="min",
        max_t=max(each.experiment.train.epochs for each in candidates),
        grace_period=halving.first_epochs,
        reduction_factor=halving.factor,
        stop_last_trials=False,
    )


def _validations(metrics: Path) -> Iterator[tuple[float, float]]:
    """(epoch, WER) of every validation of a run so far."""
    if not metrics.is_file():
        return
    for line in metrics.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("}\n") and '"validation_wer"' in line:
            said = json.loads(line)
            yield said["epoch"], said["validation_wer"]


def _key(candidate: Candidate) -> Key:
    return candidate.language, candidate.arm, _values(candidate.settings)


def _values(settings: dict[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)
