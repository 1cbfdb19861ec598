"""Show the scores of long recordings as a table for a terminal. No torch."""

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table

from mothertongue.evaluation.rates import Score
from mothertongue.evaluation.records import LongScores
from mothertongue.system.console import interval


def long_tables(result: LongScores) -> Group:
    """Return tables of the scores of `evaluate --long-form`; a run's base, if scored, first."""
    base = [long_table(result.base)] if result.base else []
    return Group(*base, long_table(result))


def long_table(result: LongScores) -> Table:
    """Return a table: a row for each normalizer, of whole recordings and of their clips alone."""
    split = f"{result.split} of " if result.split else ""
    table = Table(title=f"{result.model} on long recordings of {split}{result.data}")
    table.title_justify, table.box, table.pad_edge = "left", SIMPLE_HEAD, False
    for name in ("audio", "normalizer", "WER", "95 %", "CER", "words"):
        is_name = name in ("audio", "normalizer")
        table.add_column(name, justify="left" if is_name else "right", no_wrap=True)
    _add(table, _recordings(result), result.scores)
    if result.scores_clips:
        count = next(iter(result.scores_clips.values())).n
        _add(table, f"the clips alone: {count:,}", result.scores_clips)
    table.caption = "\n".join(filter(None, (_ratio(result), _times(result)))) or None
    table.caption_justify = "left"
    return table


def _add(table: Table, audio: str, scores: dict[str, Score]) -> None:
    for name, score in scores.items():
        rates = f"{score.wer:.1%}", interval(score.interval95), f"{score.cer:.1%}"
        table.add_row(audio, name, *rates, f"{score.reference_words:,}")


def _recordings(result: LongScores) -> str:
    recordings = result.recordings
    minutes = sum(each.duration_s for each in recordings) / 60
    return f"recordings: {len(recordings):,}, {minutes:,.1f} min"


def _ratio(result: LongScores) -> str | None:
    ratio = result.ratio
    if not ratio or ratio.ratio is None or ratio.interval95 is None:
        return None
    low, high = ratio.interval95
    return (
        f"{ratio.measure.upper()} of the recordings by that of the clips alone (strict): "
        f"{ratio.ratio:.2f} (95 %: {low:.2f}-{high:.2f})"
    )


def _times(result: LongScores) -> str | None:
    times = result.times
    if not times:
        return None
    said = [
        f"{error_s:.2f} s at the {edge} of {count:,}"
        for edge, error_s, count in (
            ("start", times.median_start_error_s, times.starts_found),
            ("end", times.median_end_error_s, times.ends_found),
        )
        if error_s is not None
    ]
    return f"median error of word times: {' and '.join(said)} clips" if said else None
