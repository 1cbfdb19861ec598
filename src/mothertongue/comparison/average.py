"""Run the average verb: write one run whose weights are the mean of those of several runs.

The result has a run's files. experiment.yaml names the runs. identity.json and data.jsonl are those
of the first run. best/ and final/ have the same weights. record.json has every score.
"""

import copy
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from torch import Tensor

from mothertongue.comparison.average_scores import (
    ALPHAS,
    BASE_ALPHA,
    Judge,
    Point,
    choose_alpha,
)
from mothertongue.comparison.grid import TestSet, retention_of
from mothertongue.comparison.ingredients import Ingredient, read_ingredients
from mothertongue.config import parse
from mothertongue.errors import ConfigError
from mothertongue.experiment import checkpoints
from mothertongue.experiment.config import RUN_NAME, Average, Experiment, write_experiment
from mothertongue.experiment.identity import (
    base_changes,
    code_changes,
    data_changes,
    refuse_changes,
)
from mothertongue.experiment.load import load_run, open_base
from mothertongue.experiment.records import (
    AveragedRun,
    AverageRecord,
    MetricsLine,
    RunRecord,
    Spent,
)
from mothertongue.experiment.run_dir import RunDir, append_line
from mothertongue.experiment.validation import Validation
from mothertongue.model.devices import keep_freed_memory, peak_memory_bytes
from mothertongue.model.load import Base
from mothertongue.strategies.base import Strategy, load_trained
from mothertongue.system.console import counting, note
from mothertongue.system.files import folder_atomically, write_json
from mothertongue.system.json_files import field_values
from mothertongue.system.locks import making
from mothertongue.training.run import run_record
from mothertongue.training.state import State

Alpha = float | Literal["sweep"]


class Mixture:
    """The mean of runs, as a model that can be moved between the runs' base and their mean."""

    def __init__(self, runs: Sequence[Ingredient]) -> None:
        first = runs[0].experiment
        base = open_base(first)
        changes = base_changes(runs[0].run_dir, first.base, base.digest)
        refuse_changes(runs[0].run_dir, changes, "averaged")
        self._base, self._runs = base.model, [each.trained for each in runs]
        self._strategy = first.strategy
        self.holder: Strategy = self.tensors_at(1.0)[0]
        """The strategy of the result: its LoRA and its adapters are as wide as those of all runs
        together."""
        model = self.holder.apply(copy.deepcopy(base.model), first.train.seed)
        self.tuned: Base = replace(base, model=model)

    def tensors_at(self, alpha: float) -> tuple[Strategy, dict[str, Tensor]]:
        """Return the strategy and the trained weights of base + alpha (mean - base)."""
        return self._strategy.average(self._base, self._runs, alpha)

    def at(self, alpha: float) -> Base:
        """Return the model at this alpha. It is always the same object, with new weights."""
        load_trained(self.tuned.model, self.tensors_at(alpha)[1], "the mean of these runs")
        return self.tuned


@dataclass(frozen=True, slots=True)
class Scored:
    """The validations of the runs in their order, the points that were tried, and the one taken."""

    runs: Sequence[Validation | None]
    points: Sequence[Point]
    taken: Point


def parse_alpha(text: str) -> Alpha:
    """Return the alpha in an option. Raises ConfigError if it is neither a number nor `sweep`."""
    if text == "sweep":
        return "sweep"
    try:
        return float(text)
    except ValueError:
        raise ConfigError(_bad_alpha(text)) from None


def retention_sets(
    runs: Sequence[Path], named: Sequence[Path], with_base: Alpha | None
) -> dict[str, TestSet]:
    """Return the retention sets of a sweep: the named ones, or those of the runs' comparison."""
    if named:
        return {str(path): TestSet(data=path) for path in named}
    return retention_of(runs) if with_base == "sweep" else {}


def average(
    paths: Sequence[Path],
    out: Path,
    with_base: Alpha | None = None,
    retention: Mapping[str, TestSet] | None = None,
) -> RunRecord:
    """Average runs into a new run, score it together with them, and return its record.

    `with_base` is the alpha of the interpolation with their base, in [0, 1]. "sweep" takes the
    alpha of ALPHAS with the lowest validation error. A sweep also scores the sets in `retention`.
    Raises ConfigError if the runs cannot be averaged, or if `out` exists.
    """
    _check(paths, out, with_base, retention or {})
    with making(out):
        keep_freed_memory()
        return _average(read_ingredients(paths), out, with_base, retention)


def _average(
    runs: Sequence[Ingredient],
    out: Path,
    with_base: Alpha | None,
    retention: Mapping[str, TestSet] | None,
) -> RunRecord:
    began = time.monotonic()
    first = runs[0]
    changes = data_changes(first.run_dir, first.experiment.manifests)
    refuse_changes(first.run_dir, changes, "averaged")
    for each in runs:
        if odd := code_changes(each.run_dir):
            note(f"{each.run_dir.path} was trained by other code: {'; '.join(odd)}")
    judge = Judge.of(first.run_dir, first.experiment, retention or {})
    mixture = Mixture(runs)
    scored = _score(runs, mixture, judge, with_base)
    experiment = _experiment(runs, mixture, scored.taken.alpha, out)
    seconds = time.monotonic() - began
    state = _state(runs, mixture, scored, seconds)
    record = replace(
        run_record(experiment, mixture.tuned, state, 1, seconds),
        average=_facts(runs, judge, scored, with_base),
        pseudo_labels=first.identity.pseudo_labels,
    )
    _write(out, first, experiment, mixture.tensors_at(scored.taken.alpha)[1], record)
    return record


def _check(
    paths: Sequence[Path], out: Path, with_base: Alpha | None, retention: Mapping[str, TestSet]
) -> None:
    if not re.fullmatch(RUN_NAME, out.resolve().name):
        raise ConfigError(
            f"--out: {out.resolve().name!r}, expected a name of letters, digits, _, - and dots, "
            "which does not begin with a dot or -"
        )
    if not paths or (len(paths) == 1 and with_base is None):
        raise ConfigError(
            f"{len(paths)} runs to average, expected two or more; or give --with-base ALPHA, which "
            "averages one with its base"
        )
    if isinstance(with_base, float) and not 0 <= with_base <= 1:
        raise ConfigError(_bad_alpha(with_base))
    if retention and with_base != "sweep":
        raise ConfigError("--retention has no effect without --with-base sweep; leave it out")


def _bad_alpha(got: object) -> str:
    return f"--with-base: {got!r}, expected a number from 0 to 1, or sweep"


def _score(
    runs: Sequence[Ingredient], mixture: Mixture, judge: Judge, with_base: Alpha | None
) -> Scored:
    alphas = _alphas(judge, with_base)
    total = judge.num_clips(len(runs) + len(alphas), len(alphas))
    with counting("scoring", total) as advance:
        # Only one run is in memory at a time.
        found = [judge.validation(load_run(each.run_dir.path).base, advance) for each in runs]
        points = [judge.point(mixture.at(alpha), alpha, advance) for alpha in alphas]
    choices = [each for each in points if with_base != "sweep" or each.alpha in ALPHAS]
    return Scored(found, points, choose_alpha(choices, judge.experiment.measure))


def _alphas(judge: Judge, with_base: Alpha | None) -> tuple[float, ...]:
    """Return the alphas to score. A sweep also scores the base, to see what the others changed."""
    if with_base is None:
        return (1.0,)
    if with_base != "sweep":
        return (with_base,)
    if not judge.chosen_on:
        raise ConfigError(
            "--with-base sweep: the data of these runs has no clip in split "
            f"{judge.experiment.select_on!r}, on which alpha would be chosen; give --with-base "
            "ALPHA"
        )
    return (BASE_ALPHA, *ALPHAS)


def _experiment(
    runs: Sequence[Ingredient], mixture: Mixture, alpha: float, out: Path
) -> Experiment:
    """Return the settings of the first run, with those that the average changes."""
    parts = Average(runs=tuple(each.facts for each in runs), alpha=alpha)
    changes = {
        "name": out.resolve().name,
        "strategy": mixture.holder.model_dump(),
        "average": parts.model_dump(),
    }
    return parse(Experiment, runs[0].experiment.model_dump() | changes, f"--out {out}")


def _state(runs: Sequence[Ingredient], mixture: Mixture, scored: Scored, seconds: float) -> State:
    """Return the costs of the average: those of all its runs, and the seconds of its scoring."""
    records, spent = [each.record for each in runs], _spent(runs).values()
    peak = peak_memory_bytes(mixture.tuned.model.device)
    return State(
        step=sum(each.steps for each in spent),
        micro_batch_size=records[0].micro_batch_size,
        best=scored.taken.validation,
        train_s=sum(each.train_s for each in spent),
        validate_s=sum(each.validate_s for each in spent) + seconds,
        peak_memory_bytes=max(peak, *(each.peak_memory_bytes for each in records)),
    )


def _spent(runs: Sequence[Ingredient]) -> dict[str, Spent]:
    """Return the costs of the runs and of the parts of those that are averages, each part once."""
    found: dict[str, Spent] = {}
    for each in runs:
        record, parts = each.record, each.record.average.spent if each.record.average else {}
        own = Spent(
            steps=record.steps - sum(part.steps for part in parts.values()),
            train_s=record.train_s - sum(part.train_s for part in parts.values()),
            validate_s=record.validate_s - sum(part.validate_s for part in parts.values()),
        )
        # The average of one run with alpha 1 has the weights of that run.
        kind = "average " if record.average else ""
        found |= {**parts, f"{kind}{each.weights_sha256}": own}
    return found


def _facts(
    runs: Sequence[Ingredient], judge: Judge, scored: Scored, with_base: Alpha | None
) -> AverageRecord:
    """Return all scores as the record keeps them."""
    base_rows = scored.points[0].retention
    best_run, difference = _beside_best(runs, scored, judge)
    return AverageRecord(
        runs=[
            AveragedRun(**each.facts.model_dump(), validation=found)
            for each, found in zip(runs, scored.runs, strict=True)
        ],
        alpha=scored.taken.alpha,
        alpha_by="sweep" if with_base == "sweep" else "given" if with_base is not None else None,
        split=judge.experiment.select_on,
        clips=len(judge.chosen_on),
        retention_clips={name: len(each) for name, each in judge.retention.items()},
        retention_digests=dict(judge.digests),
        curve=[each.without_rows(base_rows) for each in scored.points],
        best_run=best_run,
        difference=difference,
        spent=_spent(runs),
    )


def _beside_best(
    runs: Sequence[Ingredient], scored: Scored, judge: Judge
) -> tuple[str, float] | tuple[None, None]:
    """Return the best run by validation, and the average's error rate minus that run's rate."""
    measure, taken = judge.experiment.measure, scored.taken.validation
    pairs = [
        (found.rate(measure), str(each.run_dir.path))
        for each, found in zip(runs, scored.runs, strict=True)
        if found is not None
    ]
    if taken is None or not pairs:
        return None, None
    rate, path = min(pairs)
    return path, taken.rate(measure) - rate


def _write(
    out: Path,
    first: Ingredient,
    experiment: Experiment,
    tensors: dict[str, Tensor],
    record: RunRecord,
) -> None:
    """Publish the folder of a run, either completely or not at all."""
    with folder_atomically(out, 2 * sum(each.nbytes for each in tensors.values())) as fresh:
        run_dir = RunDir(fresh)
        write_experiment(experiment, run_dir)
        shutil.copyfile(first.run_dir.identity, run_dir.identity)
        shutil.copyfile(first.run_dir.data, run_dir.data)
        step, best = record.steps, record.best
        for folder in (run_dir.best, run_dir.final):
            checkpoints.save(folder, {checkpoints.TRAINED: tensors}, {"step": step})
        values = {f"validation_{key}": x for key, x in field_values(best).items()} if best else {}
        append_line(run_dir.metrics, MetricsLine(step, **values))
        write_json(run_dir.record, record)
