"""Draw errors in the language against errors in others, from the base to the tuned weights."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mothertongue.data.languages import Measure
from mothertongue.experiment.records import AlphaPoint, RunRecord
from mothertongue.report.charts.vega import INK, Chart, Json, axis, colored, dots, layered, shaped
from mothertongue.report.tables.weight_average_sheets import Average

NOTE = (
    "The numbers are alpha: 0 is the base, 1 the tuned weights. Circled: the alpha that was taken."
)


def interpolation_chart(record: RunRecord) -> Chart:
    """Return a chart of each alpha that `average --with-base sweep` tried, the one taken circled.

    The x axis is the WER of other languages if retention sets were scored, otherwise alpha.
    """
    facts, measure = record.average, record.select_by
    assert facts, "the run is an average"
    curve = _Curve("", facts.curve, facts.alpha)
    return _chart("interpolation", [curve], measure, facts.split, bool(facts.retention_clips))


def forgetting_curves(
    language: str, measure: Measure, averages: Sequence[Average], known: Sequence[str] = ()
) -> Chart | None:
    """Return a chart with the curve of each strategy or run that was swept; None without any.

    The x axis is the mean WER of the retention sets, or alpha if one was swept without them.
    """
    swept = [each for each in averages if len(each.curve) > 1]
    if not swept:
        return None
    curves = [_Curve(each.strategy, each.curve, each.alpha) for each in swept]
    has_others = all(each.has_others for each in swept)
    return _chart(f"{language}-alpha", curves, measure, swept[0].split, has_others, known)


class _Curve(NamedTuple):
    strategy: str
    points: Sequence[AlphaPoint]
    taken: float

    def rows(self, measure: Measure, has_others: bool) -> Iterator[Json]:
        """Yield a row of the chart for each alpha."""
        for point in self.points:
            assert point.validation, "only a sweep on validation has a curve"
            rate, across = 100 * point.validation.rate(measure), point.alpha
            if has_others and point.retention:
                across = 100 * point.retention.mean.wer.after
            name = f"{self.strategy}, alpha" if self.strategy else "alpha"
            words = f"{name} {point.alpha:g}: {measure.upper()} {rate:.1f} %"
            yield {
                "strategy": self.strategy,
                "alpha": point.alpha,
                "rate": rate,
                "across": across,
                "is_taken": point.alpha == self.taken,
                "tooltip": f"{words}, other languages WER {across:.1f} %" if has_others else words,
            }


def _chart(
    name: str,
    curves: Sequence[_Curve],
    measure: Measure,
    split: str,
    has_others: bool,
    known: Sequence[str] = (),
) -> Chart:
    """Return a chart of curves over the same x axis; several have a color and a shape each."""
    rate, order = measure.upper(), [each.strategy for each in curves]
    x = axis("across", "WER of other languages %" if has_others else "alpha", scale={"zero": False})
    at = {"x": x, "y": axis("rate", f"{split} {rate} %", scale={"zero": False})}
    color = {"color": colored("strategy", order, known)} if any(order) else {}
    shape = {"shape": shaped("strategy", order, known)} if any(order) else {}
    return Chart(
        name,
        f"{rate} between the base and the tuned weights",
        layered(
            [row for each in curves for row in each.rows(measure, has_others)],
            [
                {"mark": "line", "encoding": {**at, **color, "order": {"field": "alpha"}}},
                dots(60, **at, **color, **shape),
                {
                    "mark": {"type": "text", "dy": -12, "fontSize": 11},
                    "encoding": {**at, "text": {"field": "alpha"}},
                },
                {
                    "transform": [{"filter": "datum.is_taken"}],
                    "mark": {"type": "point", "size": 260, "color": INK, "aria": False},
                    "encoding": at,
                },
            ],
            height=260,
        ),
        NOTE,
    )
