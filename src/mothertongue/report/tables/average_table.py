"""Show the result of `average` as a table for a terminal. No torch."""

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from mothertongue.experiment.records import AlphaPoint, AlphaRetention, AverageRecord, RunRecord
from mothertongue.experiment.validation import Validation
from mothertongue.system.console import interval, plain

ABSENT = "-"


def average_table(record: RunRecord, folder: str) -> Group:
    """Return the scores of runs and alphas, and whether the average is better than its runs."""
    facts = _facts(record)
    title = f"Average {plain(folder)} on {facts.clips:,} clips of {facts.split}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", overflow="fold")
    is_kept = any(each.retention for each in facts.curve)
    columns = ("WER", "95 %", "CER", *(["others' WER"] if is_kept else []))
    for name in columns:
        table.add_column(name, justify="right")
    for each in facts.runs:
        name = f"{plain(each.run)}, seed {each.seed}"
        table.add_row(name, *_cells(each.validation), *([ABSENT] if is_kept else []))
    for point in facts.curve:
        table.add_row(
            _name(point, facts),
            *_cells(point.validation),
            *([_kept(point.retention)] if point.retention else []),
        )
    if is_kept:
        sets = ", ".join(facts.retention_clips)
        table.caption = f"others' WER: mean over {plain(sets)}, and its points more than the base's"
        table.caption_justify = "left"
    return Group(table, Text(plain(verdict(record))))


def verdict(record: RunRecord) -> str:
    """Return a sentence that says whether the average is better than the best of its runs."""
    facts, measure = _facts(record), record.select_by
    best, difference = facts.best_run, facts.difference
    if best is None or difference is None:
        return f"It was not scored: its data has no clip in split {facts.split}."
    points = f"{abs(100 * difference):.2f} points of {measure.upper()}"
    if difference > 0:
        return f"The average is WORSE than its best run, {best}, by {points}: use that run."
    if difference < 0:
        return f"The average is better than its best run, {best}, by {points}."
    return f"The average is as good as its best run, {best}."


def _facts(record: RunRecord) -> AverageRecord:
    assert record.average, "the run is an average"
    return record.average


def _name(point: AlphaPoint, facts: AverageRecord) -> str:
    if facts.alpha_by is None:
        return "mean"
    name = f"alpha {point.alpha:g}" if point.alpha else "base, alpha 0"
    is_taken = facts.alpha_by == "sweep" and point.alpha == facts.alpha
    return f"{name}, taken" if is_taken else name


def _cells(validation: Validation | None) -> tuple[str, str, str]:
    if validation is None:
        return ABSENT, ABSENT, ABSENT
    bounds = interval(validation.interval95)
    return f"{validation.wer:.1%}", bounds, f"{validation.cer:.1%}"


def _kept(retention: AlphaRetention) -> str:
    change = retention.mean.wer
    return f"{change.after:.1%} ({100 * change.difference:+.1f})"
