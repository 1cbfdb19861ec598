"""Draw errors in the language against errors in others, from the base to the tuned weights."""

from typing import Any

from mothertongue.report.charts.vega import Chart, axis, layered, tooltip

Json = dict[str, Any]
TAKEN = "#ee6677"


def interpolation_chart(record: Json) -> Chart:
    """Return a chart of each alpha that `average --with-base sweep` tried, the one taken circled.

    The x axis is the WER of other languages if retention sets were scored, otherwise alpha.
    """
    facts, rate = record["average"], record["select_by"].upper()
    rows = [_row(point, facts, record["select_by"]) for point in facts["curve"]]
    across = "WER of other languages %" if facts["retention_clips"] else "alpha"
    x = axis("across", across, scale={"zero": False})
    y = axis("rate", f"{facts['split']} {rate} %", scale={"zero": False})
    at = {"x": x, "y": y}
    return Chart(
        "interpolation",
        f"{rate} between the base and the tuned weights",
        layered(
            rows,
            [
                {"mark": "line", "encoding": {**at, "order": {"field": "alpha"}}},
                {
                    "mark": {"type": "point", "filled": True, "size": 60},
                    "encoding": {**at, "description": tooltip()},
                },
                {
                    "mark": {"type": "text", "dy": -12, "fontSize": 11},
                    "encoding": {**at, "text": {"field": "alpha"}},
                },
                {
                    "transform": [{"filter": "datum.is_taken"}],
                    "mark": {"type": "point", "size": 260, "color": TAKEN, "aria": False},
                    "encoding": at,
                },
            ],
            height=260,
        ),
        "The numbers are alpha: 0 is the base, 1 the tuned weights. Circled: the alpha that was "
        "taken.",
    )


def _row(point: Json, facts: Json, measure: str) -> Json:
    rate, kept = 100 * point["validation"][measure], point["retention"]
    across = 100 * kept["mean"]["wer"]["after"] if kept else point["alpha"]
    words = f"alpha {point['alpha']:g}: {measure.upper()} {rate:.1f} %"
    return {
        "alpha": point["alpha"],
        "rate": rate,
        "across": across,
        "is_taken": point["alpha"] == facts["alpha"],
        "tooltip": f"{words}, other languages WER {across:.1f} %" if kept else words,
    }
