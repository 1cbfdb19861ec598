"""Choose the base by the memory and the time of this machine, before downloading its weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from mothertongue.data.manifest import Utterance
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.devices import best_device, free_memory_bytes
from mothertongue.model.locate import is_on_disk
from mothertongue.model.sizes import openai_config
from mothertongue.strategies.base import Whisper
from mothertongue.strategies.full import Full
from mothertongue.system.console import duration, gigabytes
from mothertongue.training.plan_estimate import run_s
from mothertongue.training.plan_shape import (
    ClipSizes,
    applied,
    by_shape,
    flops_per_s,
    peak_bytes,
    sizes_of,
)

SIZES = ("large-v3", "large-v3-turbo", "medium", "small", "base", "tiny")
"""The sizes from the best to the fastest."""


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
    too_large, absent, clip_sizes = dict[str, str](), list[str](), sizes_of(clips)
    for size in SIZES:
        name = f"openai/whisper-{size}"
        if why := _why_not(size, clip_sizes, train, limit_s):
            too_large[size] = why
        elif is_on_disk(name):
            return BaseChoice(name, too_large, tuple(absent))
        else:
            absent.append(name)
    if absent:
        return BaseChoice(absent[0], too_large)
    here = [name for size in SIZES if is_on_disk(name := f"openai/whisper-{size}")]
    return BaseChoice(here[-1] if here else f"openai/whisper-{SIZES[-1]}", too_large)


def _why_not(size: str, clips: ClipSizes, train: TrainConfig, limit_s: float) -> str | None:
    """Return the reason why a size does not fit; None if it fits."""
    model, trained = _fully_tuned(size)
    needed, free = peak_bytes(model, trained), free_memory_bytes(best_device())
    if needed > free:
        return f"needs some {gigabytes(needed)}, {gigabytes(free)} are free"
    speed = flops_per_s(model.config, clips, train)
    if (seconds := run_s(by_shape(model, trained, clips, train, speed), train)) > limit_s:
        return f"would take some {duration(seconds)}"
    return None


@cache
def _fully_tuned(size: str) -> tuple[Whisper, int]:
    config = openai_config(size)
    assert config is not None
    return applied(Full(), config)
