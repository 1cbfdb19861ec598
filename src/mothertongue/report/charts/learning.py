"""Charts of training: loss, validation error with the chosen checkpoint, learning rate."""

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from mothertongue.data.languages import Measure
from mothertongue.report.charts.vega import Chart, axis, colored, layered, tooltip
from mothertongue.report.inputs import INTERVAL95, RunRecords
from mothertongue.report.tables.cells import Json
from mothertongue.system.console import interval

MOST_POINTS = 150
"""The most points of a curve: longer curves are drawn as means over this many parts."""


def learning_charts(language: str, runs: Sequence[RunRecords]) -> Iterator[Chart]:
    """Yield three charts over the steps of the runs of one language, one run a strategy."""
    order = list(dict.fromkeys(run.strategy for run in runs))
    yield _line(
        f"{language}-loss",
        "Training loss",
        [row for run in runs for row in _curve(run, "loss")],
        order,
        "loss a label token",
        "Each point is a mean over steps that follow each other." if _is_thinned(runs) else "",
    )
    measure = runs[0].record.get("select_by", "wer")
    validated = [row for run in runs for row in _validations(run, measure)]
    if validated:
        yield _validation(language, validated, order, measure.upper())
    yield _line(
        f"{language}-learning-rate",
        "Learning rate",
        [row for run in runs for row in _curve(run, "learning_rate")],
        order,
        "learning rate",
        "",
    )


def _line(
    name: str, title: str, rows: list[Json], order: list[str], y_title: str, note: str
) -> Chart:
    y = axis("value", y_title, axis={"format": ".1~e"} if y_title == "learning rate" else {})
    encoding = {"x": axis("step", "step"), "y": y, "color": colored("strategy", order)}
    mark = {"type": "line", "strokeWidth": 1.5}
    return Chart(
        name, title, layered(rows, [{"mark": mark, "encoding": encoding}], height=200), note
    )


def _validation(language: str, rows: list[Json], order: list[str], rate: str) -> Chart:
    x, color = axis("step", "step"), {"color": colored("strategy", order)}
    chosen = {"filter": "datum.is_chosen"}
    y = axis("rate", f"validation {rate} %", scale={"zero": False})
    return Chart(
        f"{language}-validation",
        f"Validation {rate}",
        layered(
            rows,
            [
                {"mark": "line", "encoding": {"x": x, "y": y, **color}},
                {
                    "mark": {"type": "rule", "aria": False},
                    "encoding": {
                        "x": x,
                        "y": axis("low", f"validation {rate} %"),
                        "y2": {"field": "high"},
                        **color,
                    },
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 50},
                    "encoding": {"x": x, "y": y, "description": tooltip(), **color},
                },
                {
                    "transform": [chosen],
                    "mark": {"type": "point", "size": 260, "strokeWidth": 2, "aria": False},
                    "encoding": {"x": x, "y": y, **color},
                },
            ],
            height=220,
        ),
        "Circled: the checkpoint that was chosen."
        + (" Lines: 95 % intervals." if rate == "WER" else ""),
    )


def _validations(run: RunRecords, measure: Measure) -> Iterator[Json]:
    taken = (run.record.get("best_of") or {}).get("taken", "best")
    best_step = run.record["best_step"] if taken == "best" else None  # an average is no checkpoint
    for line in run.metrics:
        if f"validation_{measure}" in line:
            low, high = line[f"validation_{INTERVAL95[measure]}"]
            rate = f"{measure.upper()} {100 * line[f'validation_{measure}']:.1f} %"
            yield {
                "strategy": run.strategy,
                "step": line["step"],
                "rate": 100 * line[f"validation_{measure}"],
                "low": 100 * low,
                "high": 100 * high,
                "is_chosen": line["step"] == best_step,
                "tooltip": f"{run.name}, step {line['step']:,}: {rate}, {interval([low, high])}",
            }


def _curve(run: RunRecords, name: str) -> Iterator[Json]:
    points = [line for line in run.metrics if name in line]
    length = -(-len(points) // MOST_POINTS)
    for first in range(0, len(points), length or 1):
        stretch: list[dict[str, Any]] = points[first : first + length]
        yield {
            "strategy": run.strategy,
            "step": stretch[-1]["step"],
            "value": fmean(line[name] for line in stretch),
        }


def _is_thinned(runs: Sequence[RunRecords]) -> bool:
    return any(run.record["steps"] > MOST_POINTS for run in runs)
