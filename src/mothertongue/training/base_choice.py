"""Choose the base by the memory and the time of this machine, before downloading its weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from mothertongue.data.manifest import Utterance
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.context import FULL_CONTEXT_S
from mothertongue.model.devices import best_device, free_memory_bytes
from mothertongue.model.flops import training_flops
from mothertongue.model.locate import is_on_disk
from mothertongue.model.sizes import openai_config
from mothertongue.strategies.base import Whisper
from mothertongue.strategies.full import Full
from mothertongue.system.console import duration, gigabytes
from mothertongue.training.speed import applied, flops_per_s, mean_frames, mean_tokens

SIZES = ("large-v3", "large-v3-turbo", "medium", "small", "base", "tiny")
"""The sizes from the best to the fastest."""
TRAINED_BYTES, FROZEN_BYTES = 16, 4
"""Bytes of a parameter in float32: with gradient and AdamW's two moments, and without."""
PROGRAM_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True)
class BaseChoice:
    """A base, and the better sizes that were not chosen."""

    base: str
    too_large: dict[str, str]
    """The sizes that do not fit, each with the reason."""
    absent: tuple[str, ...] = ()
    """The bases that fit but are not on this machine, the best first."""


def choose_base(clips: Sequence[Utterance], train: TrainConfig, limit_s: float) -> BaseChoice:
    """Return the best size on this machine whose full tuning fits in memory and time.

    If none that fits is on this machine, the best that fits; if none fits, the smallest that is on
    this machine. No network is used. `train` must state its epochs.
    """
    too_large, absent = dict[str, str](), list[str]()
    for size in SIZES:
        name = f"openai/whisper-{size}"
        if why := _why_not(size, clips, train, limit_s):
            too_large[size] = why
        elif is_on_disk(name):
            return BaseChoice(name, too_large, tuple(absent))
        else:
            absent.append(name)
    if absent:
        return BaseChoice(absent[0], too_large)
    here = [name for size in SIZES if is_on_disk(name := f"openai/whisper-{size}")]
    return BaseChoice(here[-1] if here else f"openai/whisper-{SIZES[-1]}", too_large)


def peak_bytes(model: Whisper, trained: int) -> int:
    """Return roughly the most memory that training takes, in bytes, from the shape of the base.

    It is twice the memory of weights, gradients and AdamW in full tuning, plus 2 GB: more than was
    measured for tiny, base and small at 6 s (docs/benchmarks.md) and for large-v2 at 30 s
    (docs/gpu.json). Frozen weights have neither gradient nor moments. `model` comes from `applied`.
    """
    parameters = sum(each.numel() for each in model.parameters())
    saved = (TRAINED_BYTES - FROZEN_BYTES) * (parameters - trained)
    return PROGRAM_BYTES + 2 * TRAINED_BYTES * parameters - saved


def epoch_s(model: Whisper, clips: Sequence[Utterance], train: TrainConfig) -> float:
    """Return the seconds of an epoch, from counted operations and a short probe of this device."""
    # Training refuses longer clips; until then they count as 30 s.
    frames = mean_frames([min(each.duration_s, FULL_CONTEXT_S) for each in clips], train)
    tokens = mean_tokens([each.text for each in clips])
    per_clip = training_flops(model, frames, tokens, train.gradient_checkpointing)
    return len(clips) * per_clip / flops_per_s(model.config, train, frames, tokens)


def _why_not(
    size: str, clips: Sequence[Utterance], train: TrainConfig, limit_s: float
) -> str | None:
    """Return the reason why a size does not fit; None if it fits."""
    model, trained = _fully_tuned(size)
    needed, free = peak_bytes(model, trained), free_memory_bytes(best_device())
    if needed > free:
        return f"needs some {gigabytes(needed)}, {gigabytes(free)} are free"
    if (seconds := train.num_epochs * epoch_s(model, clips, train)) > limit_s:
        return f"would take some {duration(seconds)}"
    return None


@cache
def _fully_tuned(size: str) -> tuple[Whisper, int]:
    config = openai_config(size)
    assert config is not None
    return applied(Full(), config)
