"""Charts of the quality and the costs of each strategy."""

from collections.abc import Iterator, Sequence

from mothertongue.comparison.schema import BASE_SYSTEM, Comparison, Point, StrategyRow
from mothertongue.data.languages import Measure
from mothertongue.evaluation.rates import Interval, Rates
from mothertongue.report.charts.vega import (
    WIDTH,
    Chart,
    Json,
    axis,
    colored,
    dots,
    label_angle,
    layered,
    names,
    rules,
    shaped,
)
from mothertongue.report.tables.cells import duration, primary_measure, short_settings
from mothertongue.system.console import interval

COSTS = {
    "parameters": ("trainable_parameters", "trained parameters (millions)", 1e-6),
    "time": ("wall_s", "training time (minutes)", 1 / 60),
}
NAMES = {"wer": "Word error rate", "cer": "Character error rate"}
AXES: dict[str, Json] = {
    "parameters": {"scale": {"type": "log"}, "axis": {"tickCount": 4}},
    "time": {"scale": {"zero": True}},
}


def systems(result: Comparison, language: str) -> list[str]:
    """Return the names of the tested systems: the base model, then each strategy."""
    found = result.languages[language]
    return [BASE_SYSTEM] * bool(found.base) + [row.strategy for row in found.strategies]


def rate_chart(result: Comparison, language: str, known: Sequence[str] = ()) -> Chart:
    """Return a chart of the error rate of each system with its interval, lowest on top.

    `known` are all strategies of the page, for their colors; so in every chart.
    """
    found, measure = result.languages[language], primary_measure(result, language)
    title = f"{measure.upper()} %"
    scored = {row.strategy: row.scores[result.normalizer] for row in found.strategies}
    if found.base:
        scored[BASE_SYSTEM] = found.base.scores[result.normalizer]
    rows = [{"system": name, **_scored(name, measure, score)} for name, score in scored.items()]
    order = sorted(scored, key=lambda name: scored[name].rate(measure))
    y = names("system", None, order)
    color = colored("system", systems(result, language), known) | {"legend": None}
    return Chart(
        f"{language}-{measure}",
        f"{NAMES[measure]} on the test split",
        layered(
            rows,
            [
                rules(2, y=y, x=axis("low", title), x2={"field": "high"}, color=color),
                dots(90, x=axis("rate", title), y=y, color=color),
                {
                    "mark": {"type": "text", "dy": -11, "fontSize": 11},
                    "encoding": {"x": axis("rate", title), "y": y, "text": {"field": "label"}},
                },
            ],
            height={"step": 36},
        ),
        "Lower is better. Lines: 95 % intervals over draws of the clips; not over seeds.",
    )


def price_charts(result: Comparison, language: str, known: Sequence[str] = ()) -> Iterator[Chart]:
    """Yield charts of error rate against trained parameters and time, with the Pareto front."""
    rows, measure = result.languages[language].strategies, primary_measure(result, language)
    title = f"{measure.upper()} %"
    order = [row.strategy for row in rows]
    for name, (field, cost_title, scale) in COSTS.items():
        values = [
            {
                "system": row.strategy,
                "cost": getattr(row, field) * scale,
                "is_best": getattr(row.pareto, name),
                **_scored(
                    f"{row.strategy}, {_cost(row, name)}", measure, row.scores[result.normalizer]
                ),
            }
            for row in rows
        ]
        x = axis("cost", cost_title, **AXES[name])
        y = axis("rate", title, scale={"zero": False})
        color, shape = colored("system", order, known), shaped("system", order, known)
        yield Chart(
            f"{language}-{measure}-{name}",
            f"{measure.upper()} against {name}",
            layered(
                values,
                [
                    {
                        "transform": [{"filter": "datum.is_best"}],
                        "mark": {"type": "line", "strokeDash": [4, 4], "color": "#888888"},
                        "encoding": {"x": x, "y": y, "order": {"field": "cost"}},
                    },
                    rules(2, x=x, y=axis("low", title), y2={"field": "high"}, color=color),
                    dots(100, x=x, y=y, color=color, shape=shape),
                ],
                height=260,
            ),
            "The dashed line joins the Pareto front: no other strategy is at least as good in both "
            "and better in one.",
        )


def curve_charts(result: Comparison) -> Iterator[Chart]:
    """Yield charts of validation error over each swept value: the paper's figures 2, 3, 5, 6.

    Runs that were chosen by CER have a chart of their own.
    """
    swept: dict[tuple[str, str, Measure], None] = {}
    for point in result.curves:
        for key in point.settings:
            swept.setdefault((point.strategy, key, point.measure))
    for strategy, key, measure in swept:
        points = [
            point
            for point in result.curves
            if (point.strategy, point.measure) == (strategy, measure)
            and key in point.settings
            and getattr(point, measure) is not None
        ]
        if points:
            yield _curve(points, strategy, key, measure)


def _curve(points: list[Point], strategy: str, key: str, measure: Measure) -> Chart:
    values = [_point(point, key) for point in points]
    order = list(dict.fromkeys(value["series"] for value in values))
    x_order = sorted({value["x"] for value in values}, key=_number)
    angle = label_angle(x_order, WIDTH / len(x_order))
    x = names("x", key.split(".")[-1], x_order, axis={"labelAngle": angle}) | {"type": "ordinal"}
    y = axis("rate", f"{points[0].split} {measure.upper()} %", scale={"zero": False})
    color = colored("series", order)
    return Chart(
        f"curve-{strategy}-{key.split('.')[-1]}" + ("-cer" if measure == "cer" else ""),
        f"{strategy}: {measure.upper()} over {key.split('.')[-1]}",
        layered(
            values,
            [
                {
                    "mark": "line",
                    "encoding": {"x": x, "y": y | {"aggregate": "mean"}, "color": color},
                },
                rules(2, x=x, y=axis("low", y["title"]), y2={"field": "high"}, color=color),
                dots(80, x=x, y=y, color=color, shape=shaped("series", order)),
            ],
            height=240,
        ),
        f"Each point is a run, with the 95 % interval of its {measure.upper()} on the split that "
        "chooses; lines are means over seeds.",
    )


def _point(point: Point, key: str) -> Json:
    rest = {name: value for name, value in point.settings.items() if name != key}
    series = " ".join([point.language, short_settings(rest)]).strip()
    x, name = str(point.settings[key]), f"{series}, {point.settings[key]}, seed {point.seed}"
    rate, bounds = (
        (point.wer, point.interval95)
        if point.measure == "wer"
        else (point.cer, point.cer_interval95)
    )
    assert rate is not None, "only validated runs are drawn"
    return {"x": x, "series": series, **_rate(name, point.measure, rate, bounds)}


def _number(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return float("inf"), text


def _rate(name: str, measure: Measure, rate: float, bounds: Interval | None) -> Json:
    percent = f"{100 * rate:.1f}"
    low, high = bounds or (rate, rate)  # a line of no length, of which nothing is said
    said = f", 95 % {interval(bounds)}" if bounds else ""
    return {
        "rate": 100 * rate,
        "low": 100 * low,
        "high": 100 * high,
        "label": percent,
        "tooltip": f"{name}: {measure.upper()} {percent} %{said}",
    }


def _scored(name: str, measure: Measure, score: Rates) -> Json:
    return _rate(name, measure, score.rate(measure), score.bounds(measure))


def _cost(row: StrategyRow, name: str) -> str:
    if name == "time":
        return duration(row.wall_s)
    return f"{row.trainable_parameters:,} parameters"
