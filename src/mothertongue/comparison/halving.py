"""Stop runs early that are far behind on validation (successive halving).

After `first_epochs` epochs, then after `factor` times as many each time, a run goes on if it is
among the best 1/factor of those that came to that epoch so far: the rule of ASHA (Li et al. 2020,
"A system for massively parallel hyperparameter tuning", algorithm 2), among the values of one
strategy in one language. All are compared after the same epochs, on the same clips.

"So far" follows the order of the grid, not the clock: a run is compared with those before it, and
trains on while one of them is not there yet. So the same runs are cut whatever number of them run
at once. Only runs of the first seed can be cut; the other seeds of what was cut are then never
begun. Every cut is written down when it is made, and final: a comparison that continues makes none
of them again.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from mothertongue.comparison.grid import Candidate, Grid, Halving
from mothertongue.comparison.jobs.task import Task, TaskWatcher
from mothertongue.comparison.schema import Cut, Settings
from mothertongue.data.languages import Measure
from mothertongue.errors import ConfigError
from mothertongue.experiment.records import MetricsLine
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.validation import Validation
from mothertongue.system.files import write_json
from mothertongue.system.json_files import parse_json, read_json

CUTS = "cuts.json"
Key = tuple[str, str, str]
"""Language, strategy, and values: what is kept or cut as one."""


class Halvings:
    """The runs of the first seed, each among the other values of its strategy and language."""

    def __init__(
        self, halving: Halving, candidates: Sequence[Candidate], folder: Path, watcher: TaskWatcher
    ) -> None:
        """Remembers earlier cuts. Raises DataError for those of an earlier version."""
        self.halving, self.folder, self.watcher = halving, folder, watcher
        self._cuts = {_key_of(cut): cut for cut in _read_cuts(folder / CUTS)}
        self._curves = {each.experiment.name: _Curve(each.run_dir(folder)) for each in candidates}
        self._groups: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
        for each in candidates:
            self._groups[each.language, each.arm].append(each)

    @property
    def cuts(self) -> list[Cut]:
        """Return all cuts in the order in which they were made."""
        return list(self._cuts.values())

    def is_cut(self, task: Task) -> bool:
        """Return whether the run must stop now: all strategies that have it have cut it."""
        self.update_cuts()
        mine = [
            e for group in self._groups.values() for e in group if e.experiment.name == task.name
        ]
        return not any(map(self.survives, mine))

    def survives(self, candidate: Candidate) -> bool:
        """Return whether these values, with any seed, are not cut."""
        return _key(candidate) not in self._cuts

    def update_cuts(self) -> None:
        """Make all cuts that follow from the validations so far."""
        for curve in self._curves.values():
            curve.read()
        for group in self._groups.values():
            for place, each in enumerate(group):
                if self.survives(each) and (cut := self._cut(each, group[:place])):
                    self._cuts[_key(each)] = cut
                    write_json(self.folder / CUTS, self.cuts)
                    self.watcher.noted(_told(cut))

    def _cut(self, each: Candidate, before: Sequence[Candidate]) -> Cut | None:
        measure = each.experiment.measure
        for epoch in rungs(self.halving, each.experiment.train.num_epochs):
            mine = self._found(each, epoch)
            others = [self._found(e, epoch) for e in before if self._comes_to(e, epoch)]
            known = [found for found in others if found is not None]
            if mine is None or len(known) < len(others):
                return None  # later, perhaps
            if is_behind(mine, known, measure, self.halving.factor):
                best = min(known, key=lambda found: found.order(measure)).rate(measure)
                facts = (each.language, each.arm, each.settings, each.experiment.name)
                return Cut(*facts, epoch, measure, mine.rate(measure), best, 1 + len(known))
        return None

    def _found(self, candidate: Candidate, epoch: int) -> Validation | None:
        return self._curves[candidate.experiment.name].validations.get(epoch)

    def _comes_to(self, candidate: Candidate, epoch: int) -> bool:
        """Return whether the run is validated after that epoch: it did not end earlier."""
        cut, curve = self._cuts.get(_key(candidate)), self._curves[candidate.experiment.name]
        ends = cut.epoch if cut else candidate.experiment.train.num_epochs
        return epoch <= ends and not (curve.is_done and epoch not in curve.validations)


def _read_cuts(path: Path) -> list[Cut]:
    # An earlier version compared runs after other epochs.
    remedy = "give the grid another name or --out"
    return read_json(path, list[Cut], remedy) if path.is_file() else []


def rungs(halving: Halving, epochs: int) -> Iterator[int]:
    """Yield the epochs after which a run of this many epochs may be cut."""
    epoch = halving.first_epochs
    while epoch < epochs:
        yield epoch
        epoch *= halving.factor


def is_behind(
    mine: Validation, others: Sequence[Validation], measure: Measure, factor: int
) -> bool:
    """Return whether at least 1/factor of all, rounded up, are better; equal rates are not."""
    better = sum(each.order(measure) < mine.order(measure) for each in others)
    return better >= math.ceil((1 + len(others)) / factor)


def first_seed(grid: Grid, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the runs of the first seed, among which halving chooses."""
    return [each for each in candidates if each.seed == grid.seeds[0]]


def refuse_idle(halving: Halving, candidates: Sequence[Candidate]) -> None:
    """Raise ConfigError if halving can cut none of the runs, which are those of the first seed."""
    values = Counter((each.language, each.arm) for each in candidates)
    can_be_cut = (
        values[each.language, each.arm] > 1
        and any(rungs(halving, each.experiment.train.num_epochs))
        for each in candidates
    )
    if not any(can_be_cut):
        raise ConfigError(
            "halving has no effect: expected a strategy with several values in its sweep, whose "
            f"runs are longer than halving.first_epochs={halving.first_epochs}; remove halving, "
            "or give fewer first epochs"
        )


def uncut(candidates: Sequence[Candidate], halving: Halving) -> set[str]:
    """Return the names of the runs that halving cannot cut, whatever their rates.

    These are the first values of each strategy in each language, which have none before them, and
    runs that end before the first cut.
    """
    first: dict[tuple[str, str], Settings] = {}
    return {
        each.experiment.name
        for each in candidates
        if first.setdefault((each.language, each.arm), each.settings) == each.settings
        or not any(rungs(halving, each.experiment.train.num_epochs))
    }


class _Curve:
    """Validations of a run by epoch; its file is read again only when it has changed."""

    def __init__(self, run_dir: RunDir) -> None:
        self._run_dir, self._seen = run_dir, (0, 0)
        self.validations: dict[float, Validation] = {}
        self.is_done = False

    def read(self) -> None:
        if self.is_done:
            return
        self.is_done = self._run_dir.is_done  # before the file: it is written after it
        if not self._run_dir.metrics.is_file():
            return
        facts = self._run_dir.metrics.stat()
        if self._seen != (facts.st_size, facts.st_mtime_ns):
            self._seen = facts.st_size, facts.st_mtime_ns
            # A continued run repeats what it did after its checkpoint, with the same result.
            self.validations |= dict(_validations(self._run_dir.metrics))


def _validations(metrics: Path) -> Iterator[tuple[float, Validation]]:
    """Yield (epoch, result) of every validation of a run so far."""
    for line in metrics.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("}\n") and "validation_" in line:
            found = parse_json(line, metrics, MetricsLine)
            if found.epoch is not None and found.validation:
                yield found.epoch, found.validation


def _told(cut: Cut) -> str:
    return (
        f"cut {cut.run} after epoch {cut.epoch}: validation {cut.measure.upper()} {cut.rate:.1%}, "
        f"the best of {cut.out_of} had {cut.best_rate:.1%}"
    )


def _key(candidate: Candidate) -> Key:
    return candidate.language, candidate.arm, _values(candidate.settings)


def _key_of(cut: Cut) -> Key:
    return cut.language, cut.strategy, _values(cut.settings)


def _values(settings: Settings) -> str:
    return json.dumps(settings, sort_keys=True)
