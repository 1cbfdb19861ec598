"""Show the scores of long recordings as a table for a terminal. No torch."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table

from mothertongue.system.console import interval

Json = dict[str, Any]


def long_tables(result: Json) -> Group:
    """Return tables of the scores of `evaluate --long-form`; a run's base, if scored, first."""
    base = [long_table(result["base"])] if "base" in result else []
    return Group(*base, long_table(result))


def long_table(result: Json) -> Table:
    """Return a table: a row for each normalizer, of whole recordings and of their clips alone."""
    split = f"{result['split']} of " if result["split"] else ""
    table = Table(title=f"{result['model']} on long recordings of {split}{result['data']}")
    table.title_justify, table.box, table.pad_edge = "left", SIMPLE_HEAD, False
    for name in ("audio", "normalizer", "WER", "95 %", "CER", "words"):
        is_name = name in ("audio", "normalizer")
        table.add_column(name, justify="left" if is_name else "right", no_wrap=True)
    _add(table, _recordings(result), result["scores"])
    if result["scores_clips"]:
        count = next(iter(result["scores_clips"].values()))["n"]
        _add(table, f"the clips alone: {count:,}", result["scores_clips"])
    table.caption = "\n".join(filter(None, (_ratio(result), _times(result)))) or None
    table.caption_justify = "left"
    return table


def _add(table: Table, audio: str, scores: Json) -> None:
    for name, score in scores.items():
        rates = f"{score['wer']:.1%}", interval(score["interval95"]), f"{score['cer']:.1%}"
        table.add_row(audio, name, *rates, f"{score['reference_words']:,}")


def _recordings(result: Json) -> str:
    recordings = result["recordings"]
    minutes = sum(each["duration_s"] for each in recordings) / 60
    return f"recordings: {len(recordings):,}, {minutes:,.1f} min"


def _ratio(result: Json) -> str | None:
    ratio = result["ratio"]
    if not ratio or ratio["ratio"] is None:
        return None
    low, high = ratio["interval95"]
    return (
        f"{ratio['measure'].upper()} of the recordings by that of the clips alone (strict): "
        f"{ratio['ratio']:.2f} (95 %: {low:.2f}-{high:.2f})"
    )


def _times(result: Json) -> str | None:
    times = result["times"]
    if not times:
        return None
    said = [
        f"{times[f'median_{edge}_error_s']:.2f} s at the {edge} of {times[f'{edge}s_found']:,}"
        for edge in ("start", "end")
        if times[f"median_{edge}_error_s"] is not None
    ]
    return f"median error of word times: {' and '.join(said)} clips" if said else None
