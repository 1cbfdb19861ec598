"""Format single cells of a comparison's tables. No torch."""

from typing import Any

from mothertongue.system.console import interval

Json = dict[str, Any]
Row = tuple[str, ...]
BASE = "base (untouched)"
ABSENT = "-"
LEVEL = 0.05
"""Differences of a smaller p, adjusted for all that were compared, are measurable."""
SMALLEST_SHOWN = 0.001
AVERAGES = {
    "ema": "moving average of the weights",
    "last": "mean of the last validations' weights",
}
"""Averages that a run may take as its best weights, by their names in its record."""
OTHER = {"wer": "cer", "cer": "wer"}
ONE_SEED = "another run of the same settings may differ by as much; give several: seeds: [0, 1, 2]"
"""Why strategies with one seed are not compared."""


def label(result: Json, row: Json) -> str:
    """Return a strategy's name, with a mark if it is the reference."""
    is_reference = row["strategy"] == result["reference"]
    return f"{row['strategy']} (ref.)" if is_reference else str(row["strategy"])


def short_settings(settings: Json) -> str:
    """Return the swept settings, such as `encoder_layers=3`."""
    return " ".join(f"{key.split('.')[-1]}={value}" for key, value in settings.items())


def best_weights(record: Json) -> str:
    """Return the name of a run's best weights: their step, or the average that was taken."""
    taken = (record.get("best_of") or {}).get("taken", "best")
    return AVERAGES.get(taken, f"step {record['best_step']:,}")


def set_name(stored: str) -> str:
    """Return the name of a further test set in the grid."""
    return stored.removeprefix("also-")


def is_tested(difference: Json) -> bool:
    """Return whether a difference has a p; two strategies need several seeds each."""
    return difference["p_holm"] is not None


def is_measurable(difference: Json) -> bool:
    """Return whether a difference is significant at LEVEL, adjusted for all comparisons.

    False where it was not tested.
    """
    return is_tested(difference) and bool(difference["p_holm"] < LEVEL)


def chance(difference: Json) -> str:
    """Return the adjusted p of a tested difference, such as `p = 0.012` or `p < 0.001`."""
    p = difference["p_holm"]
    return f"p < {SMALLEST_SHOWN:g}" if p < SMALLEST_SHOWN else f"p = {p:.3f}"


def primary_measure(result: Json, language: str) -> str:
    """Return the rate that compares systems of a language: wer or cer."""
    return str(result["languages"][language]["measure"])


def lowest(result: Json, language: str) -> Json:
    """Return the strategy with the lowest rate on the test split."""
    rows: list[Json] = result["languages"][language]["strategies"]
    measure = primary_measure(result, language)
    return min(rows, key=lambda row: float(row["scores"][result["normalizer"]][measure]))


def sample(difference: Json) -> str:
    """Return what was drawn for a difference's interval and p, such as `seeds x 37 speakers`."""
    units = f"{difference['num_drawn']:,} {difference['drawn']}"
    return f"seeds x {units}" if difference["over_seeds"] else units


def duration(seconds: float) -> str:
    """Return a time for people, such as 12.3 min."""
    for unit, length_s in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length_s:
            return f"{seconds / length_s:.1f} {unit}"
    return f"{seconds:.1f} s"


def share(row: Json) -> str:
    """Return the trained share of all parameters, in percent."""
    return f"{100 * row['trainable_parameters'] / row['parameters']:.3g}"


def front(pareto: Json) -> str:
    """Return the marks of a strategy's Pareto fronts: P, T, both or `-`."""
    marks = [mark for name, mark in (("parameters", "P"), ("time", "T")) if pareto[name]]
    return " ".join(marks) or ABSENT


def score(scores: Json, measure: str, has_sd: bool) -> Row:
    """Return the main rate, its interval, its spread over seeds if asked, and the other rate."""
    sd = scores["sd_over_seeds" if measure == "wer" else "cer_sd_over_seeds"]
    spread = [ABSENT if sd is None else f"{100 * sd:.1f}"] * has_sd
    return (*rate(scores, measure), *spread, f"{100 * scores[OTHER[measure]]:.1f}")


def bounds(scores: Json, measure: str) -> list[float]:
    """Return the 95 % interval of WER or CER."""
    found: list[float] = scores["interval95" if measure == "wer" else "cer_interval95"]
    return found


def rate(scores: Json, measure: str) -> Row:
    """Return WER or CER with its interval."""
    return f"{100 * scores[measure]:.1f}", interval(bounds(scores, measure))


def change(difference: Json | None) -> Row:
    """Return a paired difference, marked if it is measurable, and its adjusted p."""
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
    """Return a share of both models on the same clips."""
    if measure not in found:  # a measure that was not taken has no entry
        return ABSENT
    return f"{100 * found[measure]['before']:.1f} -> {100 * found[measure]['after']:.1f}"


def relative(change: float | None) -> str:
    """Return a change in percent of the other figure."""
    return ABSENT if change is None else f"{100 * change:+z.2f} % rel."


def points(difference: float) -> str:
    """Return a difference in points, with its sign."""
    return f"{100 * difference:+z.1f}"
