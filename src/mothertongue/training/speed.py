"""Measure this device's training speed for a base; the weights of the base are not needed.

The floating-point operations of a clip are counted (model/flops.py). A short probe with random
weights measures operations per second at the base's width, batch and precision.
"""

import math
import time
from collections.abc import Sequence
from statistics import fmean

import torch
from torch import nn
from transformers import WhisperConfig, WhisperForConditionalGeneration

from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.context import FULL_CONTEXT_S, context_s
from mothertongue.model.devices import best_device, dtype_of
from mothertongue.model.flops import FRAMES_PER_S, training_flops
from mothertongue.strategies.base import Strategy, Whisper, trained_parameters
from mothertongue.strategies.full import Full
from mothertongue.training.batch import Batch
from mothertongue.training.loss import LabelLoss

# For UTF-8 text of ten languages' corpora: 2.2 to 3.3, but Amharic has 1.1 and Malayalam 1.3.
BYTES_PER_TOKEN = 2.4
PROBE_STEPS = 2


def applied(strategy: Strategy, config: WhisperConfig) -> tuple[Whisper, int]:
    """Return the model under a strategy, without memory for weights, and how many of them train."""
    strategy.check(config)
    with torch.device("meta"):
        model = strategy.apply(WhisperForConditionalGeneration(config), seed=0)
    return model, sum(each.numel() for each in trained_parameters(model).values())


def mean_tokens(texts: Sequence[str]) -> int:
    """Return the mean number of label tokens of transcripts, from the bytes of their text."""
    return round(fmean(len(each.encode()) for each in texts) / BYTES_PER_TOKEN) + 4


def mean_frames(durations_s: Sequence[float], train: TrainConfig) -> int:
    """Return the mean number of encoder frames of clips, at the contexts used in training."""
    if train.context == "full":
        return FULL_CONTEXT_S * FRAMES_PER_S
    cut = fmean(_cut_context_s(each, train) for each in durations_s)
    share = train.padded_share  # joined clips take about their own length
    return round(FRAMES_PER_S * (share * FULL_CONTEXT_S + (1 - share) * cut))


def _cut_context_s(duration_s: float, train: TrainConfig) -> float:
    """Return a clip's mean cut context in seconds: augmentation changes the length of the clip."""
    speed = train.augment.speed
    outcomes = speed.outcomes(duration_s) if speed else [(1.0, duration_s)]
    return sum(share * context_s(changed_s, "bucket") for share, changed_s in outcomes)


def flops_per_s(config: WhisperConfig, train: TrainConfig, frames: int, tokens: int) -> float:
    """Return operations per second when a random model of 1 + 1 layers of base width trains."""
    device = best_device()
    shallow = WhisperConfig(**{**config.to_dict(), "encoder_layers": 1, "decoder_layers": 1})
    model = nn.Module.to(Full().apply(WhisperForConditionalGeneration(shallow), seed=0), device)
    model.config._attn_implementation = "sdpa"
    size = train.size.clips_at(math.ceil(frames / FRAMES_PER_S)) if device.type == "cuda" else 2
    loss = LabelLoss(model.train())
    batch = _random_batch(frames, size, tokens, config.vocab_size).to(device)
    dtype = dtype_of(train.precision, device)
    times_s = []
    for _ in range(1 + PROBE_STEPS):  # the first is a warm-up
        began = time.perf_counter()
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            loss(*batch.tensors()).backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times_s.append(time.perf_counter() - began)
    return size * training_flops(model, frames, tokens) / min(times_s[1:])


def _random_batch(frames: int, size: int, tokens: int, vocabulary: int) -> Batch:
    samples_BS = torch.randn(size, frames * SAMPLE_RATE_HZ // FRAMES_PER_S)
    labels_BL = torch.randint(vocabulary, (size, tokens))
    return Batch(("",) * size, samples_BS, labels_BL, labels_BL)
