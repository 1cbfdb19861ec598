"""How good each strategy is, and at what price."""

from collections.abc import Iterator

from mothertongue.comparison.cells import Json, duration, short_settings
from mothertongue.report.drawing import Chart, axis, colored, layered, names, said, shaped
from mothertongue.tables import interval

BASE = "base"
COSTS = {
    "parameters": ("trainable_parameters", "trained parameters (millions)", 1e-6),
    "time": ("wall_s", "training time (minutes)", 1 / 60),
}
AXES: dict[str, Json] = {
    "parameters": {"scale": {"type": "log"}, "axis": {"tickCount": 4}},
    "time": {"scale": {"zero": True}},
}


def systems(result: Json, language: str) -> list[str]:
    """The names of what was tested: the untouched base, then each strategy."""
    found = result["languages"][language]
    return [BASE] * bool(found["base"]) + [row["strategy"] for row in found["strategies"]]


def wer_chart(result: Json, language: str) -> Chart:
    """The WER of each system with its interval, lowest on top."""
    found = result["languages"][language]
    scored = {row["strategy"]: row["scores"][result["normalizer"]] for row in found["strategies"]}
    if found["base"]:
        scored[BASE] = found["base"]["scores"][result["normalizer"]]
    rows = [{"system": name, **_wer(name, score)} for name, score in scored.items()]
    order = sorted(scored, key=lambda name: float(scored[name]["wer"]))
    y = names("system", None, order)
    color = colored("system", systems(result, language)) | {"legend": None}
    return Chart(
        f"{language}-wer",
        "Word error rate on the test split",
        layered(
            rows,
            [
                _rule("y", y, "WER %", {"color": color}),
                {
                    "mark": {"type": "point", "filled": True, "size": 90},
                    "encoding": {
                        "x": axis("wer", "WER %"), "y": y, "color": color, "description": said(),
                    },
                },
                {
                    "mark": {"type": "text", "dy": -11, "fontSize": 11},
                    "encoding": {"x": axis("wer", "WER %"), "y": y, "text": {"field": "label"}},
                },
            ],
            height={"step": 36},
        ),
        "Lower is better. Lines: 95 % intervals over draws of the clips.",
    )  # fmt: skip


def price_charts(result: Json, language: str) -> Iterator[Chart]:
    """WER against what trains and against time; the line joins the Pareto front."""
    rows = result["languages"][language]["strategies"]
    order = [row["strategy"] for row in rows]
    for name, (field, title, scale) in COSTS.items():
        values = [
            {
                "system": row["strategy"],
                "cost": row[field] * scale,
                "is_best": row["pareto"][name],
                **_wer(f"{row['strategy']}, {_cost(row, name)}", _score(result, row)),
            }
            for row in rows
        ]
        x = axis("cost", title, **AXES[name])
        y = axis("wer", "WER %", scale={"zero": False})
        color = colored("system", order)
        front = {"filter": "datum.is_best"}
        yield Chart(
            f"{language}-wer-{name}",
            f"WER against {name}",
            layered(
                values,
                [
                    {
                        "transform": [front],
                        "mark": {"type": "line", "strokeDash": [4, 4], "color": "#888888"},
                        "encoding": {"x": x, "y": y, "order": {"field": "cost"}},
                    },
                    _rule("x", x, "WER %", {"color": color}),
                    {
                        "mark": {"type": "point", "filled": True, "size": 100},
                        "encoding": {
                            "x": x,
                            "y": y,
                            "color": color,
                            "shape": shaped("system", order),
                            "description": said(),
                        },
                    },
                ],
                height=260,
            ),
            "The dashed line joins the Pareto front: no other strategy is at least as good in both "
            "and better in one.",
        )


def curve_charts(result: Json) -> Iterator[Chart]:
    """Validation WER over each hyper-parameter that was swept: the paper's figures 2, 3, 5, 6."""
    swept: dict[tuple[str, str], None] = {}
    for point in result["curves"]:
        for key in point["settings"]:
            swept.setdefault((point["strategy"], key))
    for strategy, key in swept:
        yield _curve(result, strategy, key)


def _curve(result: Json, strategy: str, key: str) -> Chart:
    points = [
        point
        for point in result["curves"]
        if point["strategy"] == strategy and key in point["settings"] and point["wer"] is not None
    ]
    values = [_point(point, key) for point in points]
    order = list(dict.fromkeys(value["series"] for value in values))
    x_order = sorted({value["x"] for value in values}, key=_number)
    x = names("x", key.split(".")[-1], x_order, axis={"labelAngle": 0}) | {"type": "ordinal"}
    y = axis("wer", f"{points[0]['split']} WER %", scale={"zero": False})
    color = colored("series", order)
    return Chart(
        f"curve-{strategy}-{key.split('.')[-1]}",
        f"{strategy}: WER over {key.split('.')[-1]}",
        layered(
            values,
            [
                {
                    "mark": "line",
                    "encoding": {"x": x, "y": y | {"aggregate": "mean"}, "color": color},
                },
                _rule("x", x, str(y["title"]), {"color": color}),
                {
                    "mark": {"type": "point", "filled": True, "size": 80},
                    "encoding": {
                        "x": x,
                        "y": y,
                        "color": color,
                        "shape": shaped("series", order),
                        "description": said(),
                    },
                },
            ],
            height=240,
        ),
        "Each point is a run, with the 95 % interval of its split that chooses; lines are means "
        "over seeds.",
    )


def _point(point: Json, key: str) -> Json:
    rest = {name: value for name, value in point["settings"].items() if name != key}
    series = " ".join([point["language"], short_settings(rest)]).strip()
    x = str(point["settings"][key])
    score = {"wer": point["wer"], "interval95": point["interval95"] or [point["wer"]] * 2}
    return {"x": x, "series": series, **_wer(f"{series}, {x}, seed {point['seed']}", score)}


def _number(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return float("inf"), text


def _rule(fixed: str, place: Json, title: str, rest: Json) -> Json:
    """The interval of a WER along the other axis, whose title all layers must share."""
    free = "x" if fixed == "y" else "y"
    ends = {free: axis("low", title), f"{free}2": {"field": "high"}}
    return {
        "mark": {"type": "rule", "strokeWidth": 2, "aria": False},
        "encoding": {fixed: place, **ends, **rest},
    }


def _wer(name: str, score: Json) -> Json:
    low, high = score["interval95"]
    percent = f"{100 * score['wer']:.1f}"
    return {
        "wer": 100 * score["wer"],
        "low": 100 * low,
        "high": 100 * high,
        "label": percent,
        "said": f"{name}: WER {percent} %, 95 % {interval([low, high])}",
    }


def _score(result: Json, row: Json) -> Json:
    score: Json = row["scores"][result["normalizer"]]
    return score


def _cost(row: Json, name: str) -> str:
    if name == "time":
        return duration(row["wall_s"])
    return f"{row['trainable_parameters']:,} parameters"
