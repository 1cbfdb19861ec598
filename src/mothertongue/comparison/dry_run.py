"""Estimate the costs of a grid before it runs.

The floating-point operations of each run are counted; a short probe measures how many a second this
device does at the same width, batch and precision.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from transformers import WhisperConfig

from mothertongue.comparison.average_count import counted_averages
from mothertongue.comparison.grid import Candidate, Grid, LanguageData, expand
from mothertongue.data.manifest import read_data
from mothertongue.errors import ConfigError
from mothertongue.experiment.defaults import TrainingClips, settled_for
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.context import context_s
from mothertongue.model.devices import best_device
from mothertongue.model.flops import training_flops
from mothertongue.model.load import base_config
from mothertongue.strategies.base import Strategy, Whisper
from mothertongue.training.bucketing import plan_epoch
from mothertongue.training.frozen_prefix import refuse_stored_changes
from mothertongue.training.replay import replay_steps
from mothertongue.training.speed import applied, flops_per_s, mean_frames, mean_tokens

ASSUMED_S, ASSUMED_TOKENS = 12.0, 60  # of a clip where the data is not there: FLEURS-like

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Clips:
    """Facts of a language's training clips: number, lengths, mean number of label tokens."""

    count: int
    durations_s: Sequence[float]
    tokens: int
    is_assumed: bool


def dry_run(grid: Grid, advance: Callable[[int], None]) -> Json:
    """Return every run with its trained parameters, steps and hours of training on this device.

    Validation and scoring come on top; of the averages of weights, the clips to decode are counted.
    Raises ConfigError where a strategy does not fit the base
    or augmentation, and where data is neither there nor described by `rows`.
    """
    config = base_config(grid.base)
    clips = {name: _clips(name, place) for name, place in grid.languages.items()}
    sizes = {
        name: TrainingClips(e.count, e.count * fmean(e.durations_s)) for name, e in clips.items()
    }
    candidates = [
        replace(each, experiment=settled_for(each.experiment, sizes[each.language], config))
        for each in {each.experiment.name: each for each in expand(grid)}.values()
    ]
    first = candidates[0]
    train, its_clips = first.experiment.train, clips[first.language]
    frames = mean_frames(its_clips.durations_s, train)
    speed = flops_per_s(config, train, frames, its_clips.tokens)
    memo: dict[Strategy, tuple[Whisper, int]] = {}
    runs = []
    for each in candidates:
        runs.append(_run(each, config, clips[each.language], speed, memo))
        advance(1)
    averages = list(counted_averages(grid, candidates, config))
    return {
        "grid": grid.name,
        "base": grid.base,
        "protocol": grid.protocol,
        "device": str(best_device()),
        "flops_per_s": speed,
        "assumed_data": sorted(name for name, found in clips.items() if found.is_assumed),
        "total_hours": sum(run["estimated_hours"] for run in runs),
        "runs": runs,
        "averages": averages,
        "average_clips": sum(each["decoded_clips"] for each in averages),
    }


def _run(
    candidate: Candidate,
    config: WhisperConfig,
    clips: Clips,
    speed: float,
    memo: dict[Strategy, tuple[Whisper, int]],
) -> Json:
    strategy, train = candidate.experiment.strategy, candidate.experiment.train
    if strategy not in memo:
        memo[strategy] = applied(strategy, config)
    model, trained = memo[strategy]
    refuse_stored_changes(train, strategy.frozen_prefix(model))
    frames = mean_frames(clips.durations_s, train)
    recomputes = train.gradient_checkpointing
    per_clip = training_flops(model, frames, clips.tokens, recomputes)
    own = _steps_per_epoch(clips, train)
    steps = own + (replay_steps(train.replay.share, own) if train.replay else 0)
    hours = train.num_epochs * clips.count * per_clip / speed / 3600
    return {
        "name": candidate.experiment.name,
        "language": candidate.language,
        "strategy": candidate.arm,
        "settings": candidate.settings,
        "seed": candidate.seed,
        "trainable_parameters": trained,
        "steps": train.num_epochs * steps,
        "estimated_hours": hours * steps / own,
    }


def _clips(name: str, place: LanguageData) -> Clips:
    if all(path.exists() for path in place.manifests):
        train = [each for each in read_data(place.manifests) if each.split == "train"]
        if not train:
            raise ConfigError(f"languages.{name}.data: no utterance in split 'train'")
        tokens = mean_tokens([each.text for each in train])
        return Clips(len(train), [each.duration_s for each in train], tokens, False)
    if place.rows is None:
        missing = ", ".join(str(path) for path in place.manifests if not path.exists())
        raise ConfigError(
            f"languages.{name}: {missing} is not there; make it with mothertongue prepare, or "
            "state rows: [train, validation, test] for a dry run"
        )
    return Clips(place.rows[0], [ASSUMED_S], ASSUMED_TOKENS, True)


def _steps_per_epoch(clips: Clips, train: TrainConfig) -> int:
    if train.batch_seconds is None:
        return math.ceil(clips.count / train.batch_size)
    known = [context_s(each, train.context) for each in clips.durations_s]
    contexts_s = known * (clips.count // len(known))  # one stands for all where they are assumed
    return len(plan_epoch(range(clips.count), contexts_s, train.size, seed=train.seed, epoch=0))
