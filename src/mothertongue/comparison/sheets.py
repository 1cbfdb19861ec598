"""A comparison's figures as tables of ready text: for the terminal, Markdown and LaTeX alike.

WER and CER in percent, differences in points (of percent), p by paired bootstrap. No torch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from mothertongue.comparison.cells import (
    ABSENT,
    BASE,
    Json,
    Row,
    before_after,
    change,
    duration,
    front,
    label,
    points,
    rate,
    relative,
    score,
    set_name,
    share,
    short_settings,
)
from mothertongue.tables import gigabytes

HEARD = "language_identification"
FAILURES = ("hallucinations", "loops", "empty")
COST_NOTE = (
    "trained: parameters; time: one run, mean over seeds; memory: peak; MB: the weights that "
    "trained, on disk; front: no other strategy is at least as good in both WER and parameters "
    "(P), or WER and time (T), and better in one"
)
OFF_NOTE = (
    "off = base: switched off, it writes what the base writes on the first set; no: how many "
    "clips differ"
)
AVERAGE_NOTE = (
    "% rel.: change in percent of the other mean WER; points: plain difference of the two mean "
    "WERs; from 40 % to 30 % is -25 % rel. and -10 points"
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table. The first `labels` columns are names, the others figures."""

    title: str
    columns: Row
    rows: tuple[Row, ...]
    labels: int = 1
    note: str = ""


def headline(result: Json, language: str) -> list[Sheet]:
    """What one language is judged by: quality, both rates under every normalizer, cost."""
    found = result["languages"][language]
    return [
        _quality(result, language, found),
        _rates(result, language, found, "wer"),
        _rates(result, language, found, "cer"),
        _cost(result, language, found),
    ]


def also_sheets(result: Json, language: str) -> list[Sheet]:
    """A table for each other set that the language was tested on."""
    found = result["languages"][language]
    return [
        _also(result, f"{language}: also tested on {set_name(name)}", name, found)
        for name in (found["base"] or {"also": ()})["also"]
    ]


def retention_sheets(result: Json, language: str) -> list[Sheet]:
    """What was forgotten: the mean over all sets, and each set. None where nothing was asked."""
    rows = [row for row in result["languages"][language]["strategies"] if row["retention"]]
    if not rows:
        return []
    sets = ", ".join(rows[0]["retention"]["sets"])
    title = f"after tuning on {language}, mean over {sets}"
    return [
        Sheet(
            f"Forgetting {title}",
            ("strategy", "WER %", "points", "95 %", "language heard %", "off = base"),
            tuple(
                (
                    label(result, row),
                    *_forgotten(row["retention"]["mean"]),
                    _off(row["retention"]["switched_off"]),
                )
                for row in rows
            ),
            note=OFF_NOTE,
        ),
        Sheet(
            f"Failures {title}, % of clips",
            ("strategy", *FAILURES),
            tuple((label(result, row), *_failures(row["retention"]["mean"])) for row in rows),
        ),
        Sheet(
            f"Forgetting after tuning on {language}, set by set",
            ("strategy", "set", "WER %", "points", "95 %", "language heard %"),
            tuple(_set_rows(result, rows)),
            labels=2,
        ),
    ]


def average_sheets(result: Json) -> list[Sheet]:
    """Means over languages, and changes of the means: none where no strategy ran in all."""
    if not result["average"]:
        return []
    base = (BASE, f"{100 * result['average'][0]['base_wer']:.2f}", *[ABSENT] * 3)
    return [
        Sheet(
            f"Mean WER over {', '.join(result['languages'])}",
            ("strategy", "mean WER %", "relative to base", "relative to ref.", "points to ref."),
            (base, *(_average(result, each) for each in result["average"])),
            note=AVERAGE_NOTE,
        )
    ]


def _quality(result: Json, language: str, found: Json) -> Sheet:
    judged = result["normalizer"]
    rows = found["strategies"]
    tested = (found["base"] or rows[0])["scores"][judged]
    # Columns without a figure would take the terminal's width from those with.
    has_sd = len(result["seeds"]) > 1
    lines = [(BASE, *score(tested, has_sd), *[ABSENT] * 4)] if found["base"] else []
    for row in rows:
        chosen = f" {short_settings(row['settings'])} (best of {row['out_of']})"
        name = label(result, row) + (chosen if row["settings"] else "")
        scores = score(row["scores"][judged], has_sd)
        lines.append((name, *scores, *change(row["vs_base"]), *change(row["vs_reference"])))
    return Sheet(
        f"{language}: test split, {tested['n']:,} clips, {tested['words']:,} words",
        (*("strategy", "WER %", "95 %"), *["sd"] * has_sd, "CER %", "vs base", "p", "vs ref.", "p"),
        tuple(lines),
    )


def _rates(result: Json, language: str, found: Json, measure: str) -> Sheet:
    systems = [(BASE, found["base"]["scores"])] if found["base"] else []
    systems += [(label(result, row), row["scores"]) for row in found["strategies"]]
    names = list(systems[0][1])
    return Sheet(
        f"{language}: {measure.upper()} % by normalizer",
        ("strategy", *chain(*((name, "95 %") for name in names))),
        tuple(
            (system, *chain(*(rate(scores[name], measure) for name in names)))
            for system, scores in systems
        ),
    )


def _cost(result: Json, language: str, found: Json) -> Sheet:
    rows = found["strategies"]
    devices = ", ".join(dict.fromkeys(row["device"] for row in rows))
    return Sheet(
        f"{language}: cost on {devices}" if rows else f"{language}: cost",
        ("strategy", "trained", "share %", "s/step", "time", "memory", "MB", "front"),
        tuple((row["strategy"], *_costs(row)) for row in rows),
        note=COST_NOTE,
    )


def _costs(row: Json) -> Row:
    return (
        f"{row['trainable_parameters'] / 1e6:,.2f} M",
        share(row),
        f"{row['step_s']:.3g}",
        duration(row["wall_s"]),
        gigabytes(row["peak_memory_bytes"]),
        f"{row['size_bytes'] / 1e6:,.1f}",
        front(row["pareto"]),
    )


def _also(result: Json, title: str, name: str, found: Json) -> Sheet:
    judged = result["normalizer"]
    base = found["base"]["also"][name][judged]
    has_sd = len(result["seeds"]) > 1
    lines = [(BASE, *score(base, has_sd), *[ABSENT] * 2)]
    for row in found["strategies"]:
        other = row["also"][name]
        scores = score(other["scores"][judged], has_sd)
        lines.append((label(result, row), *scores, *change(other["vs_base"])))
    columns = ("strategy", "WER %", "95 %", *["sd"] * has_sd, "CER %", "vs base", "p")
    return Sheet(f"{title}, {base['n']:,} clips", columns, tuple(lines))


def _forgotten(found: Json) -> Row:
    low, high = found["wer"]["interval95"]
    return (
        before_after(found, "wer"),
        points(found["wer"]["difference"]),
        f"{points(low)} to {points(high)}",
        before_after(found, HEARD),
    )


def _off(found: Json | None) -> str:
    """Whether a model that is switched off says what its base says."""
    if found is None:
        return ABSENT
    return "yes" if not found["differ"] else f"no: {len(found['differ'])}"


def _failures(found: Json) -> Row:
    return tuple(before_after(found, name) for name in FAILURES)


def _set_rows(result: Json, rows: Sequence[Json]) -> Iterator[Row]:
    for row in rows:
        for name, found in row["retention"]["sets"].items():
            yield label(result, row), name, *_forgotten(found)


def _average(result: Json, each: Json) -> Row:
    difference = each["points_to_reference"]
    return (
        label(result, each),
        f"{100 * each['wer']:.2f}",
        relative(each["relative_to_base"]),
        relative(each["relative_to_reference"]),
        ABSENT if difference is None else f"{100 * difference:+z.2f} points",
    )
