"""Format single cells of a comparison's tables. No torch."""

from collections.abc import Iterable
from itertools import chain, count

from mothertongue.comparison.schema import (
    Comparison,
    MeanRow,
    Pareto,
    RunCost,
    SeedScore,
    Settings,
    StrategyRow,
    SystemDifference,
)
from mothertongue.data.languages import Measure
from mothertongue.evaluation.rates import RateChange, Rates
from mothertongue.system.console import interval

Row = tuple[str, ...]
BASE = "base (untouched)"
ABSENT = "-"
LEVEL = 0.05
"""Differences of a smaller p, adjusted for all that were compared, are measurable."""
SMALLEST_SHOWN = 0.001
OTHER: dict[Measure, Measure] = {"wer": "cer", "cer": "wer"}
ONE_SEED = "another run of the same settings may differ by as much; give several: seeds: [0, 1, 2]"
"""Why strategies with one seed are not compared."""


def distinct(names: Iterable[str]) -> list[str]:
    """Return the names; one that is already there gets a number behind it."""
    found: list[str] = []
    for name in names:
        numbered = (f"{name}-{number}" for number in count(2))
        found.append(next(each for each in chain([name], numbered) if each not in found))
    return found


def label(result: Comparison, row: StrategyRow | MeanRow) -> str:
    """Return a strategy's name, with a mark if it is the reference."""
    is_reference = row.strategy == result.reference
    return f"{row.strategy} (ref.)" if is_reference else row.strategy


def short_settings(settings: Settings) -> str:
    """Return the swept settings, such as `encoder_layers=3`."""
    return " ".join(f"{key.split('.')[-1]}={value}" for key, value in settings.items())


def set_name(stored: str) -> str:
    """Return the name of a further test set in the grid."""
    return stored.removeprefix("also-")


def is_tested(difference: SystemDifference) -> bool:
    """Return whether a difference has a p; two strategies need several seeds each."""
    return difference.p_holm is not None


def is_measurable(difference: SystemDifference) -> bool:
    """Return whether a difference is significant at LEVEL, adjusted for all comparisons.

    False where it was not tested.
    """
    return difference.p_holm is not None and difference.p_holm < LEVEL


def chance(difference: SystemDifference) -> str:
    """Return the adjusted p of a tested difference, such as `p = 0.012` or `p < 0.001`."""
    p = difference.p_holm
    assert p is not None, "it was tested"
    return f"p < {SMALLEST_SHOWN:g}" if p < SMALLEST_SHOWN else f"p = {p:.3f}"


def primary_measure(result: Comparison, language: str) -> Measure:
    """Return the rate that compares systems of a language: wer or cer."""
    return result.languages[language].measure


def lowest(result: Comparison, language: str) -> StrategyRow:
    """Return the strategy with the lowest rate on the test split."""
    measure = primary_measure(result, language)
    rows = result.languages[language].strategies
    return min(rows, key=lambda row: row.scores[result.normalizer].rate(measure))


def sample(difference: SystemDifference) -> str:
    """Return what was drawn for a difference's interval and p, such as `seeds x 37 speakers`."""
    units = f"{difference.num_drawn:,} {difference.drawn}"
    return f"seeds x {units}" if difference.over_seeds else units


def duration(seconds: float) -> str:
    """Return a time for people, such as 12.3 min."""
    for unit, length_s in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length_s:
            return f"{seconds / length_s:.1f} {unit}"
    return f"{seconds:.1f} s"


def share(row: RunCost) -> str:
    """Return the trained share of all parameters, in percent."""
    return f"{100 * row.trainable_parameters / row.parameters:.3g}"


def front(pareto: Pareto) -> str:
    """Return the marks of a strategy's Pareto fronts: P, T, both or `-`."""
    marks = [mark for is_on, mark in ((pareto.parameters, "P"), (pareto.time, "T")) if is_on]
    return " ".join(marks) or ABSENT


def score(scores: SeedScore, measure: Measure, has_sd: bool) -> Row:
    """Return the main rate, its interval, its spread over seeds if asked, and the other rate."""
    sd = scores.sd(measure)
    spread = [ABSENT if sd is None else f"{100 * sd:.1f}"] * has_sd
    return (*rate(scores, measure), *spread, f"{100 * scores.rate(OTHER[measure]):.1f}")


def rate(scores: Rates, measure: Measure) -> Row:
    """Return WER or CER with its interval."""
    return f"{100 * scores.rate(measure):.1f}", interval(scores.bounds(measure))


def change(difference: SystemDifference | None) -> Row:
    """Return a paired difference, marked if it is measurable, and its adjusted p."""
    if difference is None:
        return ABSENT, ABSENT
    star = "*" if is_measurable(difference) else ""
    p = (
        chance(difference).removeprefix("p ").removeprefix("= ")
        if is_tested(difference)
        else ABSENT
    )
    return points(difference.difference) + star, p.replace("< ", "<")


def before_after(found: RateChange | None) -> str:
    """Return a share of both models on the same clips."""
    if found is None:
        return ABSENT
    return f"{100 * found.before:.1f} -> {100 * found.after:.1f}"


def relative(change: float | None) -> str:
    """Return a change in percent of the other figure."""
    return ABSENT if change is None else f"{100 * change:+z.2f} % rel."


def points(difference: float) -> str:
    """Return a difference in points, with its sign."""
    return f"{100 * difference:+z.1f}"
