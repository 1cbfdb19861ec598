"""The words and figures in a comparison's tables, one cell at a time. No torch."""

from typing import Any

from mothertongue.tables import interval

Json = dict[str, Any]
Row = tuple[str, ...]
BASE = "base (untouched)"
ABSENT = "-"
LEVEL = 0.05
"""Differences of a smaller p are marked; no correction for there being several."""


def label(result: Json, row: Json) -> str:
    """A strategy's name; which one is the reference."""
    is_reference = row["strategy"] == result["reference"]
    return f"{row['strategy']} (ref.)" if is_reference else str(row["strategy"])


def short_settings(settings: Json) -> str:
    """What was swept, such as `encoder_layers=3`."""
    return " ".join(f"{key.split('.')[-1]}={value}" for key, value in settings.items())


def set_name(stored: str) -> str:
    """A further test set as the grid names it."""
    return stored.removeprefix("also-")


def is_measurable(difference: Json) -> bool:
    """Whether a paired difference is larger than chance makes it at LEVEL."""
    return bool(difference["p"] < LEVEL)


def duration(seconds: float) -> str:
    """A time for people, such as 12.3 min."""
    for unit, length_s in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length_s:
            return f"{seconds / length_s:.1f} {unit}"
    return f"{seconds:.1f} s"


def share(row: Json) -> str:
    """The trained share of all parameters, in percent."""
    return f"{100 * row['trainable_parameters'] / row['parameters']:.3g}"


def front(pareto: Json) -> str:
    """Which of the two Pareto fronts a strategy is on."""
    marks = [mark for name, mark in (("parameters", "P"), ("time", "T")) if pareto[name]]
    return " ".join(marks) or ABSENT


def score(scores: Json, has_sd: bool) -> Row:
    """WER, its interval, if asked its spread over seeds, and CER."""
    sd = scores["sd_over_seeds"]
    spread = [ABSENT if sd is None else f"{100 * sd:.1f}"] * has_sd
    return (*rate(scores, "wer"), *spread, f"{100 * scores['cer']:.1f}")


def rate(scores: Json, measure: str) -> Row:
    """WER or CER, and its interval."""
    bounds = scores["interval95" if measure == "wer" else "cer_interval95"]
    return f"{100 * scores[measure]:.1f}", interval(bounds)


def change(difference: Json | None) -> Row:
    """A paired difference, marked where it is measurable, and its p."""
    if difference is None:
        return ABSENT, ABSENT
    star = "*" if is_measurable(difference) else ""
    return points(difference["difference"]) + star, f"{difference['p']:.3f}"


def before_after(found: Json, measure: str) -> str:
    """A share of two models on the same clips."""
    if measure not in found:  # a measure that was not taken has no entry
        return ABSENT
    return f"{100 * found[measure]['before']:.1f} -> {100 * found[measure]['after']:.1f}"


def relative(change: float | None) -> str:
    """A change in percent of the other figure."""
    return ABSENT if change is None else f"{100 * change:+z.2f} % rel."


def points(difference: float) -> str:
    """A difference in points, with its sign."""
    return f"{100 * difference:+z.1f}"
