"""Format a comparison's figures as tables of text, for terminal, Markdown and LaTeX.

WER and CER are in percent; differences are in points (of percent) of the language's main rate.
No torch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from mothertongue.comparison.schema import (
    Comparison,
    Language,
    MeanRow,
    Retained,
    Retention,
    StrategyRow,
    SwitchedOff,
)
from mothertongue.data.languages import Measure
from mothertongue.report.tables.cells import (
    ABSENT,
    BASE,
    LEVEL,
    ONE_SEED,
    OTHER,
    Row,
    before_after,
    change,
    duration,
    front,
    is_tested,
    label,
    points,
    primary_measure,
    rate,
    relative,
    sample,
    score,
    set_name,
    share,
    short_settings,
)
from mothertongue.system.console import gigabytes

FAILURES = ("hallucinations", "loops", "empty")
COST_NOTE = (
    "trained: parameters; time: one run, mean over seeds; memory: peak; MB: the weights that "
    "trained, on disk; front: no other strategy is at least as good in both errors and parameters "
    "(P), or errors and time (T), and better in one"
)
OFF_NOTE = (
    "off = base: with its adapters disabled, it writes what the base writes on the first set; "
    "no: how many clips differ"
)
AVERAGE_NOTE = (
    "% rel.: change in percent of the other mean; points: plain difference of the two means; from "
    "40 % to 30 % is -25 % rel. and -10 points"
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of text. The first `labels` columns are names, the others figures."""

    title: str
    columns: Row
    rows: tuple[Row, ...]
    labels: int = 1
    note: str = ""


def headline(result: Comparison, language: str) -> list[Sheet]:
    """Return the main tables of a language: quality, both rates by normalizer, cost."""
    found, measure = result.languages[language], primary_measure(result, language)
    return [
        _quality(result, language, found),
        _rates(result, language, found, measure),
        _rates(result, language, found, OTHER[measure]),
        _cost(result, language, found),
    ]


def also_sheets(result: Comparison, language: str) -> list[Sheet]:
    """Return a table for each further test set of the language."""
    found = result.languages[language]
    return [
        _also(result, f"{language}: also tested on {set_name(name)}", name, language)
        for name in (found.base.also if found.base else ())
    ]


def retention_sheets(result: Comparison, language: str) -> list[Sheet]:
    """Return tables of forgetting: the mean over all sets, and each set; none without sets."""
    strategies = result.languages[language].strategies
    rows = [(label(result, row), row.retention) for row in strategies if row.retention]
    if not rows:
        return []
    sets = ", ".join(rows[0][1].sets)
    title = f"after tuning on {language}, mean over {sets}"
    return [
        Sheet(
            f"Forgetting {title}",
            ("strategy", "WER %", "points", "95 %", "language detected %", "off = base"),
            tuple(
                (name, *_forgotten(found.mean), _off(found.switched_off)) for name, found in rows
            ),
            note=OFF_NOTE,
        ),
        Sheet(
            f"Failures {title}, % of clips",
            ("strategy", *FAILURES),
            tuple((name, *_failures(found.mean)) for name, found in rows),
        ),
        Sheet(
            f"Forgetting after tuning on {language}, set by set",
            ("strategy", "set", "WER %", "points", "95 %", "language detected %"),
            tuple(_set_rows(rows)),
            labels=2,
        ),
    ]


def average_sheets(result: Comparison) -> list[Sheet]:
    """Return means over languages and their changes; none unless a strategy ran in all."""
    sheets = []
    for measure in dict.fromkeys(each.measure for each in result.average):
        means = [each for each in result.average if each.measure == measure]
        base = (BASE, f"{100 * means[0].base_rate:.2f}", *[ABSENT] * 3)
        mean = f"mean {measure.upper()} %"
        sheets.append(
            Sheet(
                f"Mean {measure.upper()} over {', '.join(means[0].languages)}",
                ("strategy", mean, "relative to base", "relative to ref.", "points to ref."),
                (base, *(_average(result, each) for each in means)),
                note=AVERAGE_NOTE,
            )
        )
    return sheets


def comparison_note(found: Language) -> str:
    """Return a note on how the differences of one language were tested, and its limits."""
    rows = found.strategies
    pairs = [each for row in rows for each in (row.vs_base, row.vs_reference, row.vs_best)]
    tested = [each for each in pairs if each and is_tested(each)]
    notes = []
    if tested:
        count = tested[0].comparisons
        samples = " or ".join(dict.fromkeys(map(sample, tested)))
        adjusted = f", adjusted by Holm for {count} comparisons" if count > 1 else ""
        notes.append(f"p: bootstrap over {samples}{adjusted}; * p < {LEVEL:g}")
    if any(each and not is_tested(each) for each in pairs):
        notes.append(f"no p between strategies with one seed: {ONE_SEED}")
    if any(not each.over_seeds for each in tested):
        notes.append("p vs base is of these runs alone")
    return "; ".join(notes)


def _quality(result: Comparison, language: str, found: Language) -> Sheet:
    name, measure = result.normalizer, primary_measure(result, language)
    rows = found.strategies
    tested = (found.base or rows[0]).scores[name]
    # Columns without a figure would take the terminal's width from those with.
    has_sd = len(result.seeds) > 1
    lines = [(BASE, *score(tested, measure, has_sd), *[ABSENT] * 4)] if found.base else []
    for row in rows:
        chosen = f" {short_settings(row.settings)} (best of {row.out_of})"
        system = label(result, row) + (chosen if row.settings else "")
        scores = score(row.scores[name], measure, has_sd)
        lines.append((system, *scores, *change(row.vs_base), *change(row.vs_reference)))
    return Sheet(
        f"{language}: test split, {tested.n:,} clips, {tested.words:,} words; chosen and "
        f"compared by {measure.upper()}",
        ("strategy", *_columns(measure, has_sd), "vs base", "p", "vs ref.", "p"),
        tuple(lines),
        note=comparison_note(found),
    )


def _columns(measure: Measure, has_sd: bool) -> Row:
    """Return the column heads for cells.score."""
    return f"{measure.upper()} %", "95 %", *["sd"] * has_sd, f"{OTHER[measure].upper()} %"


def _rates(result: Comparison, language: str, found: Language, measure: Measure) -> Sheet:
    systems = [(BASE, found.base.scores)] if found.base else []
    systems += [(label(result, row), row.scores) for row in found.strategies]
    names = list(systems[0][1])
    return Sheet(
        f"{language}: {measure.upper()} % by normalizer",
        ("strategy", *chain(*((name, "95 %") for name in names))),
        tuple(
            (system, *chain(*(rate(scores[name], measure) for name in names)))
            for system, scores in systems
        ),
    )


def _cost(result: Comparison, language: str, found: Language) -> Sheet:
    rows = found.strategies
    devices = ", ".join(dict.fromkeys(row.device for row in rows))
    return Sheet(
        f"{language}: cost on {devices}" if rows else f"{language}: cost",
        ("strategy", "trained", "share %", "s/step", "time", "memory", "MB", "front"),
        tuple((row.strategy, *_costs(row)) for row in rows),
        note=COST_NOTE,
    )


def _costs(row: StrategyRow) -> Row:
    return (
        f"{row.trainable_parameters / 1e6:,.2f} M",
        share(row),
        f"{row.step_s:.3g}",
        duration(row.wall_s),
        gigabytes(row.peak_memory_bytes),
        f"{row.size_bytes / 1e6:,.1f}",
        front(row.pareto),
    )


def _also(result: Comparison, title: str, name: str, language: str) -> Sheet:
    found, measure = result.languages[language], primary_measure(result, language)
    assert found.base, "only with the base's scores there are others"
    base = found.base.also[name][result.normalizer]
    has_sd = len(result.seeds) > 1
    lines = [(BASE, *score(base, measure, has_sd), *[ABSENT] * 2)]
    for row in found.strategies:
        other = row.also[name]
        scores = score(other.scores[result.normalizer], measure, has_sd)
        lines.append((label(result, row), *scores, *change(other.vs_base)))
    columns = ("strategy", *_columns(measure, has_sd), "vs base", "p")
    return Sheet(f"{title}, {base.n:,} clips", columns, tuple(lines))


def _forgotten(found: Retained) -> Row:
    low, high = found.wer.interval95
    return (
        before_after(found.wer),
        points(found.wer.difference),
        f"{points(low)} to {points(high)}",
        before_after(found.language_identification),
    )


def _off(found: SwitchedOff | None) -> str:
    """Return whether a model with its adapters disabled writes what its base writes."""
    if found is None:
        return ABSENT
    return "yes" if not found.differ else f"no: {len(found.differ)}"


def _failures(found: Retained) -> Row:
    return tuple(before_after(getattr(found, name)) for name in FAILURES)


def _set_rows(rows: Sequence[tuple[str, Retention]]) -> Iterator[Row]:
    for name, retention in rows:
        for set_, found in retention.sets.items():
            yield name, set_, *_forgotten(found)


def _average(result: Comparison, each: MeanRow) -> Row:
    difference = each.points_to_reference
    return (
        label(result, each),
        f"{100 * each.rate:.2f}",
        relative(each.relative_to_base),
        relative(each.relative_to_reference),
        ABSENT if difference is None else f"{100 * difference:+z.2f} points",
    )
