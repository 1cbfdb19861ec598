"""Read the runs to average from their folders, and refuse runs whose mean has no meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment import checkpoints
from mothertongue.experiment.config import AveragedRun, Experiment, read_experiment
from mothertongue.experiment.identity import read_identity
from mothertongue.experiment.load import open_base, take_start
from mothertongue.experiment.records import Identity, RunRecord
from mothertongue.experiment.run_dir import NO_RUN, RunDir, is_run
from mothertongue.strategies.averaging import Trained
from mothertongue.strategies.base import trained_parameters
from mothertongue.system.files import sha256_file


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A finished run to average: its records and its best weights."""

    run_dir: RunDir
    experiment: Experiment
    record: RunRecord
    identity: Identity
    trained: Trained
    weights_sha256: str

    @property
    def facts(self) -> AveragedRun:
        """The run as the settings of the average name it."""
        return AveragedRun(
            run=str(self.run_dir.path),
            weights_sha256=self.weights_sha256,
            seed=self.experiment.train.seed,
        )


def read_ingredients(paths: Sequence[Path]) -> list[Ingredient]:
    """Return the runs in these folders, which can be averaged.

    Raises DataError if a run is not finished or is damaged. Raises ConfigError if one is given
    twice, or if they were tuned from different bases, on different data, in different languages or
    by different strategies.
    """
    found = [_read(RunDir(path)) for path in paths]
    _refuse_twice(found)
    for each in found[1:]:
        _refuse_unlike(found[0], each)
    return found


def _read(run_dir: RunDir) -> Ingredient:
    if not is_run(run_dir.path):
        raise DataError(f"{run_dir.path}: {NO_RUN}")
    record, experiment = run_dir.read_record(), read_experiment(run_dir)
    tensors = checkpoints.read_tensors(run_dir.best, checkpoints.TRAINED)
    start = _start(experiment, run_dir) if experiment.strategy.moves_base else {}
    return Ingredient(
        run_dir,
        experiment,
        record,
        read_identity(run_dir),
        Trained(tensors, experiment.train.seed, start),
        sha256_file(run_dir.best / checkpoints.TRAINED),
    )


def _start(experiment: Experiment, run_dir: RunDir) -> Mapping[str, Tensor]:
    model = experiment.strategy.apply(open_base(experiment).model, experiment.train.seed)
    take_start(experiment.strategy, model, run_dir)
    return {name: each.detach() for name, each in trained_parameters(model).items()}


def _refuse_twice(found: Sequence[Ingredient]) -> None:
    seen: dict[str, Path] = {}
    for each in found:
        path = each.run_dir.path
        if each.weights_sha256 in seen:
            raise ConfigError(
                f"{seen[each.weights_sha256]} and {path} have the same weights, expected each run "
                "once: a copy counts twice in the mean and adds nothing; leave one out"
            )
        seen[each.weights_sha256] = path


def _refuse_unlike(first: Ingredient, other: Ingredient) -> None:
    one, two = _must_agree(first), _must_agree(other)
    lines = [
        f"  {key}: {two[key]}, expected {one[key]}" for key in one if str(one[key]) != str(two[key])
    ]
    if lines:
        raise ConfigError(
            f"{other.run_dir.path} cannot be averaged with {first.run_dir.path}:\n"
            + "\n".join(lines)
            + "\nAverage runs of one base, data and strategy, such as the seeds of one experiment"
        )


def _must_agree(each: Ingredient) -> dict[str, object]:
    """Return what must be the same in all runs of a mean, by name. Other settings of `train` may
    differ: Wortsman et al. 2022a average runs of many learning rates."""
    experiment, identity = each.experiment, each.identity
    tensors = each.trained.tensors
    return {
        "base": identity.base_digest,
        "data (SHA-256 of the manifest)": identity.manifest_sha256,
        "data (SHA-256 of the audio)": identity.audio_sha256,
        "label rules": identity.label_rules,
        "language": experiment.language,
        "borrow": experiment.borrow,
        "strategy": repr(experiment.strategy),
        "weights that train": len(tensors),
        "their values": sum(each.numel() for each in tensors.values()),
        "select_on": experiment.select_on,
        "select_by": experiment.measure,
        "train.context": experiment.train.context,
    }
