"""Charts of the kinds of errors, of errors by group of clips, and of forgetting."""

from collections.abc import Iterator, Sequence

from mothertongue.comparison.schema import BASE_SYSTEM, Comparison
from mothertongue.data.languages import Measure
from mothertongue.evaluation.error_analysis import ErrorKinds
from mothertongue.report.charts.quality import systems
from mothertongue.report.charts.vega import (
    Chart,
    Json,
    axis,
    colored,
    dots,
    heat,
    label_angle,
    layered,
    names,
    rules,
    shaped,
    tooltip,
)
from mothertongue.report.tables.cells import lowest, primary_measure
from mothertongue.system.console import interval

KINDS = {
    "substitutions": "#4477aa",
    "deletions": "#ee6677",
    "insertions": "#ccbb44",
}
DARKEST = 50.0
"""Points of WER above which colors do not change: one lost model must not hide the others."""
STEP = 62
"""Width of a column of the heat map, in pixels."""
GROUPS = {"duration": "clip length", "length": "words in the reference", "speaker": "speaker"}


def error_charts(result: Comparison, language: str, known: Sequence[str] = ()) -> Iterator[Chart]:
    """Yield charts of the kinds of errors of each system, and of error rates by group of clips."""
    found, measure = result.languages[language], primary_measure(result, language)
    anatomies = {row.strategy: row.anatomy for row in found.strategies}
    if found.base:
        anatomies = {BASE_SYSTEM: found.base.anatomy} | anatomies
    yield _kinds(language, anatomies)
    shown = _few(result, language)
    for group, title in GROUPS.items():
        if any(len(getattr(anatomies[name].by, group)) > 1 for name in shown):
            few = {name: anatomies[name] for name in shown}
            yield _by(language, group, title, few, measure, known)


def forgetting_chart(result: Comparison, language: str) -> Chart | None:
    """Return a chart of the points of WER that each strategy lost on each retention set."""
    strategies = result.languages[language].strategies
    kept = [(row.strategy, row.retention.sets) for row in strategies if row.retention]
    if not kept:
        return None
    changes = [
        (strategy, name, found.wer) for strategy, sets in kept for name, found in sets.items()
    ]
    rows = [
        {
            "strategy": strategy,
            "set": name,
            "points": 100 * wer.difference,
            "text": f"{100 * wer.difference:+.1f}",
            "tooltip": f"{strategy} on {name}: WER {100 * wer.before:.1f} % before, "
            f"{100 * wer.after:.1f} % after",
        }
        for strategy, name, wer in changes
    ]
    most = min(DARKEST, max(100 * abs(wer.difference) for _, _, wer in changes)) or 1.0
    angle = label_angle([name for _, name, _ in changes], STEP)
    x = names("set", None, axis={"labelAngle": angle, "orient": "top"})
    y = names("strategy", None)
    shade = axis(
        "points",
        "points of WER lost",
        scale={"scheme": "purpleorange", "reverse": True, "domain": [-most, most], "clamp": True},
        legend={"orient": "right", "gradientLength": 140},
    )
    ink = {
        "condition": {"test": f"abs(datum.points) > {0.6 * most:f}", "value": "#ffffff"},
        "value": "#000000",
    }
    spec = layered(rows, heat(x, y, shade, ink, 12), height={"step": 32}) | {
        "width": {"step": STEP}
    }
    return Chart(
        f"{language}-forgetting",
        "Change of WER on other languages, in points",
        spec,
        "Above 0 the model got worse there.",
    )


def _kinds(language: str, anatomies: dict[str, ErrorKinds]) -> Chart:
    rows = [
        {
            "system": name,
            "kind": kind,
            "order": i,
            "errors": (rate := 100 * getattr(anatomy, kind) / anatomy.words),
            "tooltip": f"{name}: {rate:.1f} {kind} in 100 words",
        }
        for name, anatomy in anatomies.items()
        for i, kind in enumerate(KINDS)
    ]
    color = {
        "field": "kind",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(KINDS), "range": list(KINDS.values())},
    }
    bar = {
        "mark": {"type": "bar", "stroke": "#ffffff", "strokeWidth": 0.5},
        "encoding": {
            "x": axis("errors", "errors in 100 words"),
            "y": names("system", None),
            "color": color,
            "order": {"field": "order"},
            "description": tooltip(),
        },
    }
    return Chart(
        f"{language}-errors",
        "Substituted, left out, made up",
        layered(rows, [bar], height={"step": 26}),
        "Substitutions: another word. Deletions: words left out. Insertions: words that nobody "
        "said.",
    )


def _by(
    language: str,
    group: str,
    title: str,
    anatomies: dict[str, ErrorKinds],
    measure: Measure,
    known: Sequence[str],
) -> Chart:
    rate = measure.upper()
    rows = [
        {
            "system": name,
            "group": each.name,
            "rate": 100 * each.rate(measure),
            "low": 100 * each.bounds(measure)[0],
            "high": 100 * each.bounds(measure)[1],
            "tooltip": f"{name}, {each.name}: {rate} {100 * each.rate(measure):.1f} %, "
            f"{interval(each.bounds(measure))}, {each.clips} clips",
        }
        for name, anatomy in anatomies.items()
        for each in getattr(anatomy.by, group)
    ]
    order = list(anatomies)
    x = names("group", title, axis={"labelAngle": -30 if group == "speaker" else 0})
    offset: Json = {"field": "system", "sort": order}
    drawn = {"color": colored("system", order, known), "xOffset": offset}
    y, shape = axis("rate", f"{rate} %"), shaped("system", order, known)
    layers = [
        rules(2, x=x, y=axis("low", f"{rate} %"), y2={"field": "high"}, **drawn),
        dots(70, x=x, y=y, shape=shape, **drawn),
    ]
    return Chart(f"{language}-by-{group}", f"{rate} by {title}", layered(rows, layers, height=220))


def _few(result: Comparison, language: str) -> list[str]:
    """Return the base, the reference and the best system: more would be hard to read."""
    wanted = {BASE_SYSTEM, result.reference, lowest(result, language).strategy}
    return [name for name in systems(result, language) if name in wanted]
