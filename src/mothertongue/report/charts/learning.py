"""Charts of training: loss, validation error with the chosen checkpoint, learning rate."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from mothertongue.data.languages import Measure
from mothertongue.data.manifest import Split
from mothertongue.report.charts.vega import Chart, Json, axis, colored, dots, layered, rules
from mothertongue.report.inputs import RunRecords
from mothertongue.system.console import interval

RUN: Json = {"field": "run", "type": "nominal"}
MOST_POINTS = 150
"""The most points of a curve: longer curves are drawn as means over this many parts."""


def learning_charts(
    language: str, runs: Sequence[RunRecords], known: Sequence[str] = ()
) -> Iterator[Chart]:
    """Yield three charts over the steps of the runs of one language; a line is a run."""
    order = list(dict.fromkeys(run.strategy for run in runs))
    color = colored("strategy", order, known)
    seeds = "A line is a run: a strategy has one for each seed. " if len(order) < len(runs) else ""
    means = "Each point is a mean over steps that follow each other." if _is_thinned(runs) else ""
    yield _line(
        f"{language}-loss",
        "Training loss",
        [row for run in runs for row in _curve(run, "loss")],
        color,
        "loss a label token",
        f"{seeds}{means}".strip(),
    )
    measure, split = runs[0].record.select_by, runs[0].record.selected_on
    validated = [row for run in runs for row in _validations(run, measure)]
    if validated:
        yield _validation(language, validated, color, measure.upper(), split, seeds)
    yield _line(
        f"{language}-learning-rate",
        "Learning rate",
        [row for run in runs for row in _curve(run, "learning_rate")],
        color,
        "learning rate",
        "",
    )


def _line(name: str, title: str, rows: list[Json], color: Json, y_title: str, note: str) -> Chart:
    y = axis("value", y_title, axis={"format": ".1~e"} if y_title == "learning rate" else {})
    encoding = {"x": axis("step", "step"), "y": y, "color": color, "detail": RUN}
    mark = {"type": "line", "strokeWidth": 1.5}
    return Chart(
        name, title, layered(rows, [{"mark": mark, "encoding": encoding}], height=200), note
    )


def _validation(
    language: str, rows: list[Json], color: Json, rate: str, split: Split, seeds: str
) -> Chart:
    x, drawn = axis("step", "step"), {"color": color}
    y = axis("rate", f"{split} {rate} %", scale={"zero": False})
    return Chart(
        f"{language}-validation",
        f"{split.capitalize()} {rate}",
        layered(
            rows,
            [
                {
                    "mark": {"type": "line", "strokeWidth": 1.5},
                    "encoding": {"x": x, "y": y, "detail": RUN, **drawn},
                },
                rules(1, x=x, y=axis("low", y["title"]), y2={"field": "high"}, **drawn),
                dots(50, x=x, y=y, **drawn),
                {
                    "transform": [{"filter": "datum.is_chosen"}],
                    "mark": {"type": "point", "size": 260, "strokeWidth": 2, "aria": False},
                    "encoding": {"x": x, "y": y, **drawn},
                },
            ],
            height=220,
        ),
        f"{seeds}Circled: the checkpoint that was chosen. Upright lines: 95 % intervals.",
    )


def _validations(run: RunRecords, measure: Measure) -> Iterator[Json]:
    # An average is no checkpoint.
    best_step = None if run.record.is_average_best else run.record.best_step
    for line in run.metrics:
        if found := line.validation:
            low, high = found.bounds(measure)
            rate = f"{measure.upper()} {100 * found.rate(measure):.1f} %"
            yield {
                "strategy": run.strategy,
                "run": run.name,
                "step": line.step,
                "rate": 100 * found.rate(measure),
                "low": 100 * low,
                "high": 100 * high,
                "is_chosen": line.step == best_step,
                "tooltip": f"{run.name}, step {line.step:,}: {rate}, {interval([low, high])}",
            }


def _curve(run: RunRecords, name: str) -> Iterator[Json]:
    values = [(line.step, getattr(line, name)) for line in run.metrics]
    points = [(step, value) for step, value in values if value is not None]
    length = -(-len(points) // MOST_POINTS)
    for first in range(0, len(points), length or 1):
        stretch = points[first : first + length]
        yield {
            "strategy": run.strategy,
            "run": run.name,
            "step": stretch[-1][0],
            "value": fmean(value for _, value in stretch),
        }


def _is_thinned(runs: Sequence[RunRecords]) -> bool:
    return any(run.record.steps > MOST_POINTS for run in runs)
