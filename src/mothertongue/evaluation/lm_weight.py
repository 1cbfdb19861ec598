"""Choose the weight of a language model on validation clips; 0 unless another is better."""

from collections.abc import Callable
from dataclasses import dataclass

from mothertongue.data.languages import Measure
from mothertongue.evaluation.rates import Score

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""The weights that are tried. Above them a model of a few hours' transcripts did harm."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The error rates of validation clips with one weight."""

    weight: float
    wer: float
    cer: float


def choose_weight(score: Callable[[float], Score], measure: Measure) -> tuple[float, list[Trial]]:
    """Return the weight with the lowest error rate, and all trials.

    `score` decodes validation clips with a weight. Of equal weights the smaller one is taken: 0
    wins unless another is better.
    """
    # The heaviest first: an engine that takes no language model says so before it decodes.
    found = {weight: score(weight) for weight in reversed(WEIGHTS)}
    trials = [Trial(weight, found[weight].wer, found[weight].cer) for weight in WEIGHTS]
    return min(trials, key=lambda each: (getattr(each, measure), each.weight)).weight, trials
