"""Estimate the costs of a grid before it runs.

The floating-point operations of each run are counted; a short probe measures how many a second this
device does at the same width, batch and precision.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch
from torch import nn
from transformers import WhisperConfig, WhisperForConditionalGeneration

from mothertongue.comparison.grid import Candidate, Grid, LanguageData, expand
from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.data.manifest import read_data
from mothertongue.errors import ConfigError
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.context import FULL_CONTEXT_S, context_s
from mothertongue.model.devices import best_device, dtype_of
from mothertongue.model.flops import FRAMES_PER_S, training_flops
from mothertongue.model.load import load_base
from mothertongue.model.sizes import known_config
from mothertongue.strategies.base import Strategy, Whisper, trained_parameters
from mothertongue.strategies.full import Full
from mothertongue.training.batch import Batch
from mothertongue.training.bucketing import plan_epoch
from mothertongue.training.loss import LabelLoss

# Of UTF-8 text, on corpora of ten languages: 2.2 to 3.3, but 1.1 in Amharic and 1.3 in Malayalam.
BYTES_PER_TOKEN = 2.4
ASSUMED_S, ASSUMED_TOKENS = 12.0, 60  # of a clip where the data is not there: FLEURS-like
PROBE_STEPS = 2

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

    Validation and scoring come on top. Raises ConfigError where a strategy does not fit the base,
    and where data is neither there nor described by `rows`.
    """
    config = known_config(grid.base) or load_base(grid.base).model.config
    candidates = list({each.experiment.name: each for each in expand(grid)}.values())
    clips = {name: _clips(name, place) for name, place in grid.languages.items()}
    speed = _probe(config, candidates[0].experiment.train, clips[candidates[0].language])
    memo: dict[Strategy, tuple[Whisper, int]] = {}
    runs = []
    for each in candidates:
        runs.append(_run(each, config, clips[each.language], speed, memo))
        advance(1)
    return {
        "grid": grid.name,
        "base": grid.base,
        "protocol": grid.protocol,
        "device": str(best_device()),
        "flops_per_s": speed,
        "assumed_data": sorted(name for name, found in clips.items() if found.is_assumed),
        "total_hours": sum(run["estimated_hours"] for run in runs),
        "runs": runs,
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
        memo[strategy] = _applied(strategy, config)
    model, trained = memo[strategy]
    frames, recomputes = _frames(clips, train), train.gradient_checkpointing
    per_clip = training_flops(model, frames, clips.tokens, recomputes)
    return {
        "name": candidate.experiment.name,
        "language": candidate.language,
        "strategy": candidate.arm,
        "settings": candidate.settings,
        "seed": candidate.seed,
        "trainable_parameters": trained,
        "steps": train.epochs * _steps_per_epoch(clips, train),
        "estimated_hours": train.epochs * clips.count * per_clip / speed / 3600,
    }


def _applied(strategy: Strategy, config: WhisperConfig) -> tuple[Whisper, int]:
    """Apply a strategy to a model without memory for weights; return it and the trained count."""
    strategy.check(config)
    with torch.device("meta"):
        model = strategy.apply(WhisperForConditionalGeneration(config), seed=0)
    return model, sum(each.numel() for each in trained_parameters(model).values())


def _clips(name: str, place: LanguageData) -> Clips:
    if all(path.exists() for path in place.manifests):
        train = [each for each in read_data(place.manifests) if each.split == "train"]
        if not train:
            raise ConfigError(f"languages.{name}.data: no utterance in split 'train'")
        size = fmean(len(each.text.encode()) for each in train)
        tokens = round(size / BYTES_PER_TOKEN) + 4
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


def _frames(clips: Clips, train: TrainConfig) -> int:
    """Return the mean number of encoder frames of a clip at its training contexts."""
    if train.context == "full":
        return FULL_CONTEXT_S * FRAMES_PER_S
    cut = fmean(context_s(each, "bucket") for each in clips.durations_s)
    share = train.full_context_share
    return round(FRAMES_PER_S * (share * FULL_CONTEXT_S + (1 - share) * cut))


def _probe(config: WhisperConfig, train: TrainConfig, clips: Clips) -> float:
    """Measure operations a second in training steps of a random model of 1 + 1 layers."""
    device = best_device()
    shallow = WhisperConfig(**{**config.to_dict(), "encoder_layers": 1, "decoder_layers": 1})
    model = nn.Module.to(Full().apply(WhisperForConditionalGeneration(shallow), seed=0), device)
    model.config._attn_implementation = "sdpa"
    frames = _frames(clips, train)
    size = train.size.clips_at(math.ceil(frames / FRAMES_PER_S)) if device.type == "cuda" else 2
    loss = LabelLoss(model.train())
    batch = _random_batch(frames, size, clips.tokens, config.vocab_size).to(device)
    dtype = dtype_of(train.precision, device)
    times_s = []
    for _ in range(1 + PROBE_STEPS):  # the first warms up
        began = time.perf_counter()
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            loss(*batch.tensors()).backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times_s.append(time.perf_counter() - began)
    return size * training_flops(model, frames, clips.tokens) / min(times_s[1:])


def _random_batch(frames: int, size: int, tokens: int, vocabulary: int) -> Batch:
    samples_BS = torch.randn(size, frames * SAMPLE_RATE_HZ // FRAMES_PER_S)
    labels_BL = torch.randint(vocabulary, (size, tokens))
    return Batch(("",) * size, samples_BS, labels_BL, labels_BL)
