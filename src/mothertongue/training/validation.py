"""The result of a validation, and the order of several. No torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Protocol

from mothertongue.data.languages import Measure
from mothertongue.training.signals import StopRequest

Interval = tuple[float, float]
Order = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Validation:
    """Error rates of a model on validation clips, ratios with 95 % intervals, and its loss.

    Of clips in several languages, each rate is the mean over the languages: one with many clips
    counts as much as one with few.
    """

    wer: float
    interval95: Interval
    cer: float
    cer_interval95: Interval
    loss: float | None
    """Cross-entropy in nats per label token, given the label tokens before it (teacher forcing);
    None where it was not computed."""

    def rate(self, measure: Measure) -> float:
        """The error rate that a measure names."""
        return self.wer if measure == "wer" else self.cer

    def order(self, measure: Measure) -> Order:
        """The sort key, the best lowest: this error rate, then the other, then the loss.

        Error rates are ratios of small counts, so equal ones are common, and a model may still be
        learning: with WER alone, a language of long unspaced phrases stays at 100 % for epochs.
        """
        first, second = (self.wer, self.cer) if measure == "wer" else (self.cer, self.wer)
        return first, second, math.inf if self.loss is None else self.loss


class Validator(Protocol):
    """Decodes the validation split. Both calls return None when they were asked to stop."""

    @property
    def clips(self) -> int:
        """How many clips the split has."""

    def __call__(self, stop: StopRequest, clips: int) -> Validation | None:
        """Rates and loss on the first clips, at the context that the run trains at."""

    def at_full_context(self, stop: StopRequest) -> Validation | None:
        """Rates, without loss, on all clips at 30 s, as the test is decoded."""


def mean_order(orders: Sequence[Order]) -> Order:
    """The order of several runs together, such as one a seed: the mean of each of its parts."""
    first, second, loss = (fmean(part) for part in zip(*orders, strict=True))
    return first, second, loss


def recorded(record: dict[str, Any]) -> Validation | None:
    """The validation of a run's best weights in its record; None without a validation split."""
    if record["best_validation_wer"] is None:
        return None
    return Validation(
        wer=record["best_validation_wer"],
        interval95=tuple(record["best_validation_interval95"]),
        cer=record["best_validation_cer"],
        cer_interval95=tuple(record["best_validation_cer_interval95"]),
        loss=record["best_validation_loss"],
    )
