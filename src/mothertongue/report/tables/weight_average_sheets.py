"""Format the averages of weights of a comparison as tables of text. No torch.

Rates are in percent; differences are in points (of percent).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mothertongue.comparison.schema import Comparison, WeightAverage
from mothertongue.data.languages import Measure
from mothertongue.experiment.records import AlphaPoint, AlphaRetention, RunRecord
from mothertongue.experiment.validation import Validation
from mothertongue.report.tables.cells import (
    ABSENT,
    BASE,
    Row,
    points,
    rate,
)
from mothertongue.report.tables.sheets import Sheet

CHOSEN_NOTE = "best run: the lowest of the runs that were averaged, on the same clips"
TESTED_NOTE = (
    "an average is one model: vs seeds is its rate minus the mean of the strategy's seeds on the "
    "same clips, with 95 % over clips for these runs alone, and without p"
)
CURVE_NOTE = (
    "alpha 0 is the base, 1 the tuned weights; *: the alpha that was taken, with the lowest rate; "
    "forgot: points of WER on other languages, before is the base"
)


@dataclass(frozen=True, slots=True)
class Average:
    """The average of a strategy's runs in a comparison, or a run that is one: `tested` is None."""

    strategy: str
    num_runs: int
    alpha: float
    split: str
    clips: int
    difference: float
    """Its rate minus that of its best run, on the split that chose it."""
    curve: list[AlphaPoint]
    has_others: bool
    tested: WeightAverage | None = None

    @property
    def taken(self) -> AlphaPoint:
        """The point of the curve that was taken."""
        return next(each for each in self.curve if each.alpha == self.alpha)


def averages_of(result: Comparison, language: str) -> list[Average]:
    """Return the averages of a language; comparisons of earlier versions have none."""
    return [
        Average(
            each.strategy,
            len(each.runs),
            each.alpha,
            each.split,
            each.clips,
            each.difference,
            each.curve,
            bool(each.retention_sets),
            each,
        )
        for each in result.languages[language].weight_averages
    ]


def averages_of_runs(records: Mapping[str, RunRecord]) -> list[Average]:
    """Return the averages among runs, given by their names, whose weights were scored.

    They have no scores on the test split: the tables of the runs have them.
    """
    return [
        Average(
            name,
            len(facts.runs),
            facts.alpha,
            facts.split,
            facts.clips,
            facts.difference,
            facts.curve,
            bool(facts.retention_clips),
        )
        for name, record in records.items()
        if (facts := record.average) and facts.difference is not None
    ]


def weight_average_sheets(
    language: str, measure: Measure, found: Sequence[Average], normalizer: str
) -> list[Sheet]:
    """Return tables of what the averages gave, and of every alpha; none without averages."""
    if not found:
        return []
    sheets = [_chosen(language, found, measure)]
    if tested := [each.tested for each in found if each.tested]:
        sheets.append(_tested(language, tested, measure, normalizer))
    if any(len(each.curve) > 1 for each in found):
        sheets.append(_curve(language, found, measure))
    return sheets


def _chosen(language: str, found: Sequence[Average], measure: Measure) -> Sheet:
    rows = []
    for each in found:
        own = _validation(each.taken).rate(measure)
        rates = (f"{100 * own:.1f}", f"{100 * (own - each.difference):.1f}")
        facts = (str(each.num_runs), f"{each.alpha:g}")
        rows.append((each.strategy, *facts, *rates, points(each.difference)))
    split = found[0].split
    return Sheet(
        f"{language}: averages of weights, chosen on {split}, {found[0].clips:,} clips",
        ("strategy", "runs", "alpha", f"{measure.upper()} %", "best run %", "vs best run"),
        tuple(rows),
        note=CHOSEN_NOTE,
    )


def _tested(
    language: str, found: Sequence[WeightAverage], measure: Measure, normalizer: str
) -> Sheet:
    rows = []
    for each in found:
        low, high = each.vs_seeds.interval95
        own = rate(each.scores[normalizer], measure)
        change = (points(each.vs_seeds.difference), f"{points(low)} to {points(high)}")
        rows.append((each.strategy, *own, *change))
    return Sheet(
        f"{language}: averages of weights on the test split",
        ("strategy", f"{measure.upper()} %", "95 %", "vs seeds", "95 %"),
        tuple(rows),
        note=TESTED_NOTE,
    )


def _curve(language: str, found: Sequence[Average], measure: Measure) -> Sheet:
    split = found[0].split
    return Sheet(
        f"{language}: between the base and the tuned weights, on {split}",
        ("strategy", "alpha", f"{measure.upper()} %", "others' WER %", "forgot", "95 %"),
        tuple(row for each in found for row in _points(each, measure)),
        labels=2,
        note=CURVE_NOTE,
    )


def _points(average: Average, measure: Measure) -> Iterator[Row]:
    for each in average.curve:
        mark = "*" if each.alpha == average.alpha else ""
        name = f"{each.alpha:g}{mark}" if each.alpha else f"0, {BASE}{mark}"
        own = f"{100 * _validation(each).rate(measure):.1f}"
        yield average.strategy, name, own, *_forgot(each.retention)


def _validation(point: AlphaPoint) -> Validation:
    assert point.validation, "a comparison averages what it validated"
    return point.validation


def _forgot(retention: AlphaRetention | None) -> Row:
    if retention is None:
        return ABSENT, ABSENT, ABSENT
    change = retention.mean.wer
    low, high = change.interval95
    others = f"{100 * change.after:.1f}"
    return others, points(change.difference), f"{points(low)} to {points(high)}"
