"""Measure a run by the shape of its base, where the base or the data is not on this machine yet.

The floating-point operations of a clip are counted (model/flops.py). A short probe with random
weights measures operations per second at the base's width, batch and precision.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import nn
from transformers import WhisperConfig, WhisperForConditionalGeneration

from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.data.manifest import Utterance
from mothertongue.data.replay import replay_steps
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.context import FRAMES_PER_S, FULL_CONTEXT_S, context_s
from mothertongue.model.devices import best_device, dtype_of, free_memory_bytes
from mothertongue.model.flops import training_flops
from mothertongue.strategies.base import Strategy, Whisper, trained_parameters
from mothertongue.strategies.full import Full
from mothertongue.training.batch import Batch
from mothertongue.training.bucketing import plan_epoch
from mothertongue.training.loss import LabelLoss
from mothertongue.training.plan_estimate import Measured

# For UTF-8 text of ten languages' corpora: 2.2 to 3.3, but Amharic has 1.1 and Malayalam 1.3.
BYTES_PER_TOKEN = 2.4
PROBE_STEPS = 2
TRAINED_BYTES, FROZEN_BYTES = 16, 4
"""Bytes of a parameter in float32: with gradient and AdamW's two moments, and without."""
PROGRAM_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True)
class ClipSizes:
    """The number of training clips, their lengths, and their mean number of label tokens."""

    count: int
    durations_s: Sequence[float]
    """The length of each clip, or one length that stands for all."""
    tokens: int


def sizes_of(clips: Sequence[Utterance]) -> ClipSizes:
    """Return the sizes of a training split. The tokens are estimated from the bytes of the text."""
    # Training refuses longer clips; until then they count as 30 s.
    durations_s = [min(each.duration_s, FULL_CONTEXT_S) for each in clips]
    text_bytes = fmean(len(each.text.encode()) for each in clips)
    return ClipSizes(len(clips), durations_s, round(text_bytes / BYTES_PER_TOKEN) + 4)


def applied(strategy: Strategy, config: WhisperConfig) -> tuple[Whisper, int]:
    """Return the model under a strategy, without memory for weights, and how many of them train."""
    strategy.check(config)
    with torch.device("meta"):
        model = strategy.apply(WhisperForConditionalGeneration(config), seed=0)
    return model, sum(each.numel() for each in trained_parameters(model).values())


def by_shape(
    model: Whisper, trained: int, clips: ClipSizes, train: TrainConfig, speed: float
) -> Measured:
    """Return what steps of a run would measure at `speed` operations per second.

    `model` and `trained` come from `applied`. Validation is not counted, and neither are the stored
    outputs of frozen layers.
    """
    device, own = best_device(), _steps_per_epoch(clips, train)
    frames = mean_frames(clips.durations_s, train)
    per_clip = training_flops(model, frames, clips.tokens, train.gradient_checkpointing)
    step = clips.count * per_clip / own
    steps = own + (replay_steps(train.replay.share, own) if train.replay else 0)
    return Measured(
        device=str(device),
        precision=str(dtype_of(train.precision, device))[6:],
        trained=trained,
        parameters=sum(each.numel() for each in model.parameters()),
        clips=clips.count,
        audio_s=clips.count * fmean(clips.durations_s),
        step_flops=(step,) * steps,
        step_is_full=(train.context == "full",) * steps,
        context_s=0,
        computed=((0.0, 0.0), (step, step / speed)),
        read=(),
        stored_bytes_per_s=0,
        start_s=0.0,
        validation_clips=0,
        validation_clip_s=0.0,
        final_clip_s=0.0,
        micro_batch_size=train.largest_micro_batch,
        peak_memory_bytes=peak_bytes(model, trained),
        free_memory_bytes=free_memory_bytes(device),
    )


def peak_bytes(model: Whisper, trained: int) -> int:
    """Return roughly the most memory that training takes, in bytes, from the shape of the base.

    It is twice the memory of weights, gradients and AdamW in full tuning, plus 2 GB: more than was
    measured for tiny, base and small at 6 s (docs/benchmarks.md) and for large-v2 at 30 s
    (docs/gpu.json). Frozen weights have neither gradient nor moments. `model` comes from `applied`.
    """
    parameters = sum(each.numel() for each in model.parameters())
    saved = (TRAINED_BYTES - FROZEN_BYTES) * (parameters - trained)
    return PROGRAM_BYTES + 2 * TRAINED_BYTES * parameters - saved


def flops_per_s(config: WhisperConfig, clips: ClipSizes, train: TrainConfig) -> float:
    """Return operations per second when a random model of 1 + 1 layers of base width trains."""
    device, frames, tokens = best_device(), mean_frames(clips.durations_s, train), clips.tokens
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


def _steps_per_epoch(clips: ClipSizes, train: TrainConfig) -> int:
    if train.batch_seconds is None:
        return math.ceil(clips.count / train.batch_size)
    known = [context_s(each, train.context) for each in clips.durations_s]
    contexts_s = known * (clips.count // len(known))  # one stands for all where they are assumed
    return len(plan_epoch(range(clips.count), contexts_s, train.size, seed=train.seed, epoch=0))


def _random_batch(frames: int, size: int, tokens: int, vocabulary: int) -> Batch:
    samples_BS = torch.randn(size, frames * SAMPLE_RATE_HZ // FRAMES_PER_S)
    labels_BL = torch.randint(vocabulary, (size, tokens))
    return Batch(("",) * size, samples_BS, labels_BL, labels_BL)
