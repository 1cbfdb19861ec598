"""How the runs learned: loss, validation error with the checkpoint chosen, learning rate."""

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from mothertongue.comparison.cells import Json
from mothertongue.report.drawing import Chart, axis, colored, layered, said
from mothertongue.report.records import RunRecords
from mothertongue.tables import interval

MOST_POINTS = 150
"""Of a curve: longer ones are drawn as means of so many stretches."""


def learning_charts(language: str, runs: Sequence[RunRecords]) -> Iterator[Chart]:
    """Three charts of the runs of one language, one a strategy, over their steps."""
    order = list(dict.fromkeys(run.strategy for run in runs))
    yield _line(
        f"{language}-loss",
        "Training loss",
        [row for run in runs for row in _curve(run, "loss")],
        order,
        "loss a label token",
        "Each point is a mean over steps that follow each other." if _is_thinned(runs) else "",
    )
    measure = _measure(runs)
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
    title = f"validation {rate} %"
    x, color = axis("step", "step"), {"color": colored("strategy", order)}
    chosen = {"filter": "datum.is_chosen"}
    y = axis("rate", title, scale={"zero": False})
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
                        "y": axis("low", title),
                        "y2": {"field": "high"},
                        **color,
                    },
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 50},
                    "encoding": {"x": x, "y": y, "description": said(), **color},
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


def _measure(runs: Sequence[RunRecords]) -> str:
    """The rate that chose the checkpoints, if each validation of these runs has it."""
    lines = [line for run in runs for line in run.metrics if "validation_wer" in line]
    has_cer = all("validation_cer" in line for line in lines)
    return "cer" if has_cer and any(run.measure == "cer" for run in runs) else "wer"


def _validations(run: RunRecords, measure: str) -> Iterator[Json]:
    for line in run.metrics:
        if "validation_wer" in line:
            rate = line[f"validation_{measure}"]
            # A validation has the interval of its WER only.
            low, high = line["validation_interval95"] if measure == "wer" else (rate, rate)
            said = f"{run.name}, step {line['step']:,}: {measure.upper()} {100 * rate:.1f} %"
            yield {
                "strategy": run.strategy,
                "step": line["step"],
                "rate": 100 * rate,
                "low": 100 * low,
                "high": 100 * high,
                "is_chosen": line["step"] == run.record["best_step"],
                "said": said + (f", {interval([low, high])}" if measure == "wer" else ""),
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
