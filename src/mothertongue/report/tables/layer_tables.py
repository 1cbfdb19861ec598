"""Show the results of `analyze` on a terminal, and write the data of a figure. No torch."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from mothertongue.analysis.records import (
    Analysis,
    Band,
    GroupSimilarity,
    Half,
    HalfSimilarity,
    Metric,
)
from mothertongue.system.files import open_atomically, sweep

METRICS: dict[Metric, str] = {"cka": "CKA", "svcca": "SVCCA", "pwcca": "PWCCA"}
HALVES: tuple[Half, ...] = ("encoder", "decoder")
WIDE = 20  # states; with more, a heat map's cells stand side by side to fit 80 columns
ROWS_PER_DIMENSION = 10  # Raghu et al. 2017 and later work: below it, CCA finds chance correlations
DARK, BRIGHT = (20, 20, 90), (250, 230, 80)  # red, green, blue of CKA 0 and of CKA 1


def analysis_tables(result: Analysis) -> Group:
    """Return a table for each metric (states by groups), then a heat map for each group."""
    parts: list[RenderableType] = [Text(_conditions(result))]
    for half in _halves(result):
        parts += [_metric_table(result.groups, half, metric) for metric in METRICS]
    parts.append(Text("\n".join(_findings(result))))
    for half in _halves(result):
        parts += [heatmap_text(group, half) for group in result.groups]
    return Group(*parts)


def heatmap_text(group: GroupSimilarity, half: Half) -> Text:
    """Return CKA in hundredths as a coloured grid: rows before tuning, columns after."""
    found = _half(group, half)
    names = found.names
    gap = " " if len(names) <= WIDE else ""
    margin = max(map(len, names))
    text = Text(
        f"\n{group.group}: CKA x 100 (== is 1), before (down) with after (across, in order)\n"
    )
    for name, values in zip(names, found.heatmap, strict=True):
        text.append(f"{name:>{margin}} ")
        for value in values:
            text.append(_hundredths(value), _colour(value)).append(gap)
        text.append("\n")
    return text


def write_figures(result: Analysis, folder: Path) -> None:
    """Write layers.csv and heatmap.csv, the data of Liu et al. 2024's Figure 1, into a folder."""
    sweep(folder)
    _write_csv(
        folder / "layers.csv", ("group", "state", "metric", "mean", "min", "max"), _layers(result)
    )
    _write_csv(folder / "heatmap.csv", ("group", "before", "after", "cka"), _cells(result))


def _metric_table(groups: Sequence[GroupSimilarity], half: Half, metric: Metric) -> Table:
    table = Table(title=METRICS[metric], title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("state", no_wrap=True)
    for group in groups:
        table.add_column(Text(group.group), justify="right", overflow="fold")
    for i, state in enumerate(_half(groups[0], half).states):
        bands = [_half(group, half).states[i].band(metric) for group in groups]
        table.add_row(state.state, *map(_band, bands))
    return table


def _conditions(result: Analysis) -> str:
    context = "30 s" if result.context == "full" else "each clip's own"
    lines = [
        f"{result.base} before and after tuning, split {result.split}, seed {result.seed},"
        f" context {context}; 1 = not one bit changed, (a-b) = least and most over seeds"
    ]
    for group in result.groups:
        rows = f"{group.encoder.n_rows:,} frames"
        if group.decoder:
            rows += f", {group.decoder.n_rows:,} tokens"
        clips = f"{group.n_utterances} of {group.n_usable} usable clips"
        runs = f"{len(group.runs)} {'run' if len(group.runs) == 1 else 'runs'}"
        lines.append(f"  {group.group}: {runs}, {clips}, {rows}")
    return "\n".join(lines)


def _findings(result: Analysis) -> Iterator[str]:
    """Yield a line for each group on what to freeze, and warnings about the figures."""
    for group in result.groups:
        name, below = group.group, group.first_below
        states, freeze = group.encoder.states, group.freeze_encoder_layers
        bound = f"{result.threshold:g}"
        where = f"first falls below {bound} at {states[below].state}" if below is not None else ""
        advice = f"try freeze with encoder_layers: {freeze}" if freeze else "nothing to freeze"
        yield f"{name}: CKA {where or f'stays at {bound} or above'}; {advice}"
        if group.n_utterances < result.n_asked:
            there = group.n_utterances
            yield f"{name}: {result.n_asked} clips asked for, {there} there are: all taken"
        for half in _halves(result):
            found = _half(group, half)
            if found.n_rows < ROWS_PER_DIMENSION * found.width:
                yield (
                    f"{name}: {found.n_rows:,} rows for {half} states of width "
                    f"{found.width}: SVCCA and PWCCA are too high; take more clips"
                )


def _halves(result: Analysis) -> list[Half]:
    return [half for half in HALVES if result.groups[0].half(half)]


def _half(group: GroupSimilarity, name: Half) -> HalfSimilarity:
    found = group.half(name)
    assert found, "all groups have the halves of the first"
    return found


def _band(band: Band) -> str:
    if len(band.values) == 1:
        return _value(band.mean)
    return f"{_value(band.mean)} ({_value(band.min)}-{_value(band.max)})"


def _value(value: float) -> str:
    """Return three digits; 1 without digits only if it is exactly 1."""
    return "1" if value == 1 else f"{value:.3f}"


def _hundredths(value: float) -> str:
    """Return CKA in hundredths, two characters; == only if no bit changed."""
    return "==" if value == 1 else f"{min(99, max(0, int(100 * value))):2d}"


def _colour(value: float) -> Style:
    share = min(1.0, max(0.0, value))
    red, green, blue = (
        round(dark + share * (bright - dark)) for dark, bright in zip(DARK, BRIGHT, strict=True)
    )
    ink = "black" if share > 0.5 else "white"
    return Style.parse(f"{ink} on rgb({red},{green},{blue})")


def _layers(result: Analysis) -> Iterator[tuple[Any, ...]]:
    for group in result.groups:
        for half in _halves(result):
            for state in _half(group, half).states:
                for metric in METRICS:
                    band = state.band(metric)
                    yield (
                        *(group.group, state.state, metric),
                        *(band.mean, band.min, band.max),
                    )


def _cells(result: Analysis) -> Iterator[tuple[Any, ...]]:
    for group in result.groups:
        for half in _halves(result):
            found = _half(group, half)
            for before, values in zip(found.names, found.heatmap, strict=True):
                for after, value in zip(found.names, values, strict=True):
                    yield group.group, before, after, value


def _write_csv(path: Path, header: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    with open_atomically(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
