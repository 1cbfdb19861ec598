"""How often to decode the validation split in mid-training, and how much of it. No torch.

Decoding can cost more than training does. What is not said in the settings is chosen from measured
speed, once, and written down with the run: a continued run decodes the same clips.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mothertongue.training.config import TrainConfig
from mothertongue.training.stopping import StopRequest

FEWEST_CLIPS = 32
"""What is decoded even where it costs more than its share: fewer would tell nothing."""


@dataclass(frozen=True, slots=True)
class Validation:
    """The WER of the model as it is, a ratio, and its 95 % interval."""

    wer: float
    interval95: tuple[float, float]


class Validator(Protocol):
    """Decodes the first clips of the validation split, in an order that the seed decides."""

    @property
    def clips(self) -> int:
        """How many the split has."""

    def __call__(self, stop: StopRequest, clips: int) -> Validation | None:
        """None when it was asked to stop before it knew."""


def affordable_clips(
    validator: Validator,
    stop: StopRequest,
    config: TrainConfig,
    train_s: float,
    clock: Callable[[], float],
) -> int | None:
    """How many clips to decode after `train_s` seconds of training; None when asked to stop.

    As many as the settings say, else what `config.validation_share` of the time allows, which the
    first FEWEST_CLIPS tell.
    """
    if config.validation_clips == "all" or validator.clips <= FEWEST_CLIPS:
        return validator.clips
    if config.validation_clips is not None:
        return min(config.validation_clips, validator.clips)
    began = clock()
    if validator(stop, FEWEST_CLIPS) is None:
        return None
    per_clip_s = (clock() - began) / FEWEST_CLIPS
    affordable = math.floor(config.validation_share * train_s / per_clip_s)
    return max(FEWEST_CLIPS, min(affordable, validator.clips))


def intervals_between(config: TrainConfig, validate_s: float, train_s: float) -> int:
    """Validate only every so many epochs of `train_s`, if one validation takes `validate_s`.

    1 where the settings say how often.
    """
    if config.eval_every_steps is not None or config.validation_clips is not None:
        return 1
    return max(1, math.ceil(validate_s / (config.validation_share * train_s)))
