"""Find the training settings that an experiment leaves open, from its base, strategy and data.

They are found when a run begins, and are stored in its record as values. A run that is continued or
used again takes them from there, so other defaults in a later release change nothing in it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from transformers import WhisperConfig

from mothertongue.data.manifest import read_data
from mothertongue.experiment.config import Experiment, read_experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.train_config import BatchSize, TrainConfig
from mothertongue.model.load import base_config
from mothertongue.strategies.learning_rates import usual_rate
from mothertongue.system.arguments import Precision

MOST_EPOCHS, FEWEST_EPOCHS = 30, 8
EPOCHS_AT_2_H = 15
ENOUGH_STEPS = 800
PATIENCE = 5


@dataclass(frozen=True, slots=True)
class TrainingClips:
    """The size of a training split."""

    count: int
    audio_s: float


def settled(experiment: Experiment, run_dir: RunDir | None = None) -> Experiment:
    """Return the experiment with a value for each setting that it leaves open.

    If a run was begun in `run_dir`, its values are used. Raises DataError if the data or the base
    cannot be read.
    """
    return settled_all([(experiment, run_dir)])[0]


def settled_all(runs: Sequence[tuple[Experiment, RunDir | None]]) -> list[Experiment]:
    """Do the same for several, each with its folder; data and bases are read only once."""
    clips_of, config_of = cache(training_clips), cache(base_config)

    def one(experiment: Experiment, run_dir: RunDir | None) -> Experiment:
        is_begun = run_dir is not None and run_dir.identity.is_file()
        if (
            run_dir is not None
            and is_begun
            and (is_open(experiment.train) or experiment.train.precision == "auto")
        ):
            return _with(experiment, read_experiment(run_dir).train)
        if not is_open(experiment.train):
            return experiment
        clips, config = clips_of(experiment.manifests), config_of(experiment.base)
        return settled_for(experiment, clips, config)

    return [one(*each) for each in runs]


def settled_for(experiment: Experiment, clips: TrainingClips, base: WhisperConfig) -> Experiment:
    """Do the same for training clips and a base that are known."""
    usual = TrainConfig(
        epochs=usual_epochs(clips, experiment.train.size),
        learning_rate=usual_rate(experiment.strategy.tuned, base.d_model),
        patience=PATIENCE,
    )
    return _with(experiment, usual)


def is_open(train: TrainConfig) -> bool:
    """Return whether there are settings without a value."""
    return train.epochs is None or train.learning_rate is None


def training_clips(manifests: tuple[Path, ...]) -> TrainingClips:
    """Return the size of these manifests' training split. Raises DataError as `read_data` does."""
    durations_s = [each.duration_s for each in read_data(manifests) if each.split == "train"]
    return TrainingClips(len(durations_s), sum(durations_s))


def usual_epochs(clips: TrainingClips, size: BatchSize) -> int:
    """Return the default of `epochs`: by the hours of the split, and more if the steps are few."""
    hours = max(clips.audio_s, 1.0) / 3600
    by_hours = round(EPOCHS_AT_2_H * math.sqrt(2 / hours))
    steps = clips.count / size.clips if size.seconds is None else clips.audio_s / size.seconds
    by_steps = math.ceil(ENOUGH_STEPS / max(1, math.ceil(steps)))
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, by_hours, by_steps))


def in_precision(experiment: Experiment, precision: Precision) -> Experiment:
    """Return the experiment with this precision of training."""
    train = experiment.train.model_copy(update={"precision": precision})
    return experiment.model_copy(update={"train": train})


def _with(experiment: Experiment, found: TrainConfig) -> Experiment:
    """Return the experiment with the settings in `found` for those that it does not have."""
    train, changes = experiment.train, dict[str, Any]()
    if train.learning_rate is None:
        changes["learning_rate"] = found.learning_rate
    if train.precision == "auto":
        changes["precision"] = found.precision
    if train.epochs is None:
        changes["epochs"] = found.epochs
        changes["patience"] = found.patience if train.patience is None else train.patience
    return experiment.model_copy(update={"train": train.model_copy(update=changes)})
