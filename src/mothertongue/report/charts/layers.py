"""Charts of the similarity of each layer before and after tuning: the paper's figure 1."""

from collections.abc import Iterator, Sequence

from mothertongue.analysis.records import Analysis, Half, HalfSimilarity
from mothertongue.report.charts.vega import Chart, axis, colored, dots, heat, layered, names, shaped

HALVES: tuple[Half, ...] = ("encoder", "decoder")
MOST_LABELLED = 16
"""States above which a heat map has no figures in its cells."""


def layer_charts(analysis: Analysis) -> Iterator[Chart]:
    """Yield charts of the CKA of every layer, and a heat map for each group of runs."""
    for half in HALVES:
        groups = [(g.group, found) for g in analysis.groups if (found := g.half(half))]
        if groups:
            yield _lines(analysis, groups, half)
        for name, found in groups:
            yield _heat(name, found, half)


def suggestions(analysis: Analysis) -> Iterator[str]:
    """Yield a sentence for each group on the layers to freeze, from the runs of full tuning."""
    for group in analysis.groups:
        if group.strategy.kind != "full":
            continue  # what was frozen, or started anew, says nothing about what could be
        n, bound = group.freeze_encoder_layers, f"{analysis.threshold:g}"
        if n:
            advice = (
                f"the bottom {n} encoder layers stay above CKA {bound}: try freeze with n = {n}"
            )
        else:
            advice = f"already the lowest layer falls below CKA {bound}: nothing to freeze"
        yield f"{group.group}: {advice}"


def _lines(analysis: Analysis, groups: Sequence[tuple[str, HalfSimilarity]], half: Half) -> Chart:
    rows = [
        {
            "group": name,
            "state": state.state,
            **{key: getattr(state.cka, key) for key in ("mean", "min", "max")},
            "tooltip": f"{name}, {state.state}: CKA {state.cka.mean:.3f} "
            f"({state.cka.min:.3f} to {state.cka.max:.3f} over seeds)",
        }
        for name, found in groups
        for state in found.states
    ]
    order = [name for name, _ in groups]
    x = names("state", None, axis={"labelAngle": -40}) | {"type": "ordinal"}
    threshold = {
        "data": {"values": [{"bound": analysis.threshold}]},
        "mark": {"type": "rule", "strokeDash": [4, 4], "color": "#888888"},
        "encoding": {"y": axis("bound", "CKA")},
    }
    color, y = {"color": colored("group", order)}, axis("mean", "CKA", scale={"zero": False})
    return Chart(
        f"cka-{half}",
        f"CKA of each {half} state before and after tuning",
        layered(
            rows,
            [
                *([threshold] if half == "encoder" else []),
                {
                    "mark": {"type": "area", "opacity": 0.2, "aria": False},
                    "encoding": {"x": x, "y": axis("min", "CKA"), "y2": {"field": "max"}, **color},
                },
                {"mark": "line", "encoding": {"x": x, "y": axis("mean", "CKA"), **color}},
                dots(60, x=x, y=y, shape=shaped("group", order), **color),
            ],
            height=240,
        ),
        "1: tuning left the layer as it was. Bands: least to most over seeds. Dashed: below it, a "
        "layer counts as changed.",
    )


def _heat(group: str, found: HalfSimilarity, half: Half) -> Chart:
    states = found.names
    rows = [
        {
            "before": before,
            "after": after,
            "cka": value,
            "text": f"{value:.2f}",
            "tooltip": f"{before} before, {after} after: CKA {value:.3f}",
        }
        for before, line in zip(states, found.heatmap, strict=True)
        for after, value in zip(states, line, strict=True)
    ]
    x = names("after", "after tuning", states, axis={"labelAngle": -40})
    y = names("before", "before tuning", states)
    shade = axis("cka", "CKA", scale={"scheme": "viridis", "domain": [0, 1]})
    shade |= {"legend": {"orient": "right", "gradientLength": 160}}
    ink = {"condition": {"test": "datum.cka > 0.6", "value": "#000000"}, "value": "#ffffff"}
    cells, figures = heat(x, y, shade, ink, 10)
    is_small = len(states) <= MOST_LABELLED
    side = 44 if is_small else 14
    spec = layered(rows, [cells, figures] if is_small else [cells], height={"step": min(side, 32)})
    return Chart(
        f"cka-heatmap-{half}-{group}",
        f"{group}: every {half} state before against every one after",
        spec | {"width": {"step": side}},
    )
