"""The result of a validation, and the order of several. No torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from mothertongue.data.languages import Measure
from mothertongue.evaluation.rates import Rates
from mothertongue.system.json_files import absent

Order = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Validation(Rates):
    """Error rates of a model on validation clips, ratios with 95 % intervals, and its loss.

    Of clips in several languages, each rate is the mean over the languages: one with many clips
    counts as much as one with few.
    """

    loss: float | None = absent()
    """Cross-entropy in nats per label token, given the label tokens before it (teacher forcing);
    None where it was not computed."""

    def order(self, measure: Measure) -> Order:
        """The sort key, the best lowest: this error rate, then the other, then the loss.

        Error rates are ratios of small counts, so equal ones are common, and a model may still be
        learning: with WER alone, a language of long unspaced phrases stays at 100 % for epochs.
        """
        first, second = (self.wer, self.cer) if measure == "wer" else (self.cer, self.wer)
        return first, second, math.inf if self.loss is None else self.loss


def mean_order(orders: Sequence[Order]) -> Order:
    """The order of several runs together, such as one a seed: the mean of each of its parts."""
    first, second, loss = (fmean(part) for part in zip(*orders, strict=True))
    return first, second, loss
