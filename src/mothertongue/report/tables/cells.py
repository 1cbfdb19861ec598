"""The words and figures in a comparison's tables, one cell at a time. No torch."""

from typing import Any

from mothertongue.system.console import interval

Json = dict[str, Any]
Row = tuple[str, ...]
BASE = "base (untouched)"
ABSENT = "-"
LEVEL = 0.05
"""Differences of a smaller p, adjusted for all that were compared, are measurable."""
SMALLEST_SHOWN = 0.001
OTHER = {"wer": "cer", "cer": "wer"}
ONE_SEED = "another run of the same settings may differ by as much; give several: seeds: [0, 1, 2]"
"""Why strategies with one seed are not told apart."""


def label(result: Json, row: Json) -> str:
    """A strategy's name, with a mark if it is the reference."""
    is_reference = row["strategy"] == result["reference"]
    return f"{row['strategy']} (ref.)" if is_reference else str(row["strategy"])


def short_settings(settings: Json) -> str:
    """The swept settings, such as `encoder_layers=3`."""
    return " ".join(f"{key.split('.')[-1]}={value}" for key, value in settings.items())


def set_name(stored: str) -> str:
    """A further test set as the grid names it."""
    return stored.removeprefix("also-")


def is_tested(difference: Json) -> bool:
    """Whether a difference has a p: between strategies that takes more than one seed of each."""
    return difference["p_holm"] is not None


def is_measurable(difference: Json) -> bool:
    """Whether a difference is larger than chance makes it at LEVEL, among all that were compared.

    False where it was not tested.
    """
    return is_tested(difference) and bool(difference["p_holm"] < LEVEL)


def chance(difference: Json) -> str:
    """The adjusted p of a tested difference, such as `p = 0.012` or `p < 0.001`."""
    p = difference["p_holm"]
    return f"p < {SMALLEST_SHOWN:g}" if p < SMALLEST_SHOWN else f"p = {p:.3f}"


def judged(result: Json, language: str) -> str:
    """The rate that one language is chosen and judged by: wer or cer."""
    return str(result["languages"][language]["measure"])


def lowest(result: Json, language: str) -> Json:
    """The strategy of the lowest rate on the test split."""
    rows: list[Json] = result["languages"][language]["strategies"]
    measure = judged(result, language)
    return min(rows, key=lambda row: float(row["scores"][result["normalizer"]][measure]))


def sample(difference: Json) -> str:
    """Name what was drawn for a difference's interval and p, such as `seeds x 37 speakers`."""
    units = f"{difference['num_drawn']:,} {difference['drawn']}"
    return f"seeds x {units}" if difference["over_seeds"] else units


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
    """The marks of the Pareto fronts that a strategy is on: P, T, both or `-`."""
    marks = [mark for name, mark in (("parameters", "P"), ("time", "T")) if pareto[name]]
    return " ".join(marks) or ABSENT


def score(scores: Json, measure: str, has_sd: bool) -> Row:
    """The rate that judges, its interval, its spread over seeds if asked, and the other rate."""
    sd = scores["sd_over_seeds" if measure == "wer" else "cer_sd_over_seeds"]
    spread = [ABSENT if sd is None else f"{100 * sd:.1f}"] * has_sd
    return (*rate(scores, measure), *spread, f"{100 * scores[OTHER[measure]]:.1f}")


def bounds(scores: Json, measure: str) -> list[float]:
    """The 95 % interval of WER or CER."""
    found: list[float] = scores["interval95" if measure == "wer" else "cer_interval95"]
    return found


def rate(scores: Json, measure: str) -> Row:
    """WER or CER, and its interval."""
    return f"{100 * scores[measure]:.1f}", interval(bounds(scores, measure))


def change(difference: Json | None) -> Row:
    """A paired difference, marked where it is measurable, and its adjusted p."""
    if difference is None:
        return ABSENT, ABSENT
    star = "*" if is_measurable(difference) else ""
    p = (
        chance(difference).removeprefix("p ").removeprefix("= ")
        if is_tested(difference)
        else ABSENT
    )
    return points(difference["difference"]) + star, p.replace("< ", "<")


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
