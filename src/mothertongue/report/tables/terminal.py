"""Show a comparison as tables on a terminal, and write them as files for papers. No torch.

tables/
  table.md      as in the terminal      table.csv, average.csv, retention.csv, also.csv
  table.tex     a table a language      data.csv, base.csv, curves.csv    (see csv_files.py)
                                        weight_averages.csv, alphas.csv
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mothertongue.comparison.schema import Comparison
from mothertongue.report.tables.cells import distinct, primary_measure
from mothertongue.report.tables.csv_files import csv_files, write_csv
from mothertongue.report.tables.markup import latex_text, markdown, markdown_text, one_line, tabular
from mothertongue.report.tables.sheets import (
    Sheet,
    also_sheets,
    average_sheets,
    headline,
    retention_sheets,
)
from mothertongue.report.tables.weight_average_sheets import averages_of, weight_average_sheets
from mothertongue.report.text.summary import conditions, findings, legend, warning
from mothertongue.system.files import open_atomically

LONG_WORD = 16
TEX_HEAD = r"""% \usepackage{booktabs} in the preamble; UTF-8
"""


def comparison_tables(result: Comparison) -> Group:
    """Return conditions, tables and findings for a terminal of 80 columns or more."""
    alarm = [Text(f"WARNING: {said}", "bold red")] if (said := warning(result)) else []
    heads = Text(f"{one_line(result.name)}: {one_line(conditions(result))}\n{legend(result)}\n")
    tables: list[RenderableType] = []
    for sheet in _sheets(result):
        tables += [_table(sheet), Text(f"{sheet.note}\n" if sheet.note else "", "dim")]
    found = Text("\n".join(map(one_line, findings(result))))
    return Group(*alarm, heads, *tables, *alarm, found)


def write_tables(result: Comparison, folder: Path) -> list[Path]:
    """Write all files that have figures into a folder; return their paths."""
    texts = {"table.md": _markdown(result), "table.tex": _latex(result)}
    for name, text in texts.items():
        with open_atomically(folder / name) as file:
            file.write(text)
    written = [folder / name for name in texts]
    for name, rows in csv_files(result).items():
        if rows:
            write_csv(folder / name, rows, result)
            written.append(folder / name)
        else:  # an earlier comparison's figures would pass for this one's
            (folder / name).unlink(missing_ok=True)
    return written


def _sheets(result: Comparison) -> Iterator[Sheet]:
    for language in result.languages:
        yield from headline(result, language)
        yield from also_sheets(result, language)
        found, measure = averages_of(result, language), primary_measure(result, language)
        yield from weight_average_sheets(language, measure, found, result.normalizer)
        yield from retention_sheets(result, language)
    yield from average_sheets(result)


def _table(sheet: Sheet) -> Table:
    table = Table(
        title=Text(one_line(sheet.title), "bold"),
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for i, column in enumerate(sheet.columns):
        if i < sheet.labels:
            table.add_column(Text(column), overflow="fold")
        else:
            table.add_column(Text(column), justify="right", no_wrap=True)
    for row in sheet.rows:
        labels, figures = row[: sheet.labels], row[sheet.labels :]
        table.add_row(*map(_foldable, labels), *map(Text, figures))
    return table


def _foldable(label: str) -> Text:
    """Return a name that breaks between words; a long `key=value` may break before the value."""
    words = one_line(label).split(" ")
    return Text(" ".join(w.replace("=", "= ") if len(w) > LONG_WORD else w for w in words))


def _markdown(result: Comparison) -> str:
    said = warning(result)
    parts = [f"## {markdown_text(result.name)}\n"]
    if said:
        parts.append(f"> **Warning: {markdown_text(said)}**\n")
    parts += [f"{markdown_text(conditions(result))}\n", f"{markdown_text(legend(result))}\n"]
    parts += map(markdown, _sheets(result))
    parts += [f"- {markdown_text(line)}" for line in findings(result)]
    return "\n".join(parts) + "\n"


def _latex(result: Comparison) -> str:
    """Return a table for each language and one of averages, with the conditions as captions."""
    said = warning(result)
    parts = [TEX_HEAD + (f"% WARNING: {said}\n" if said else "")]
    floats = {language: headline(result, language) for language in result.languages}
    sheets = [*floats.values(), *filter(None, [average_sheets(result)])]
    labels = [re.sub(r"[^A-Za-z0-9]+", "-", f"{result.name}-{n}") for n in (*floats, "average")]
    parts += map(partial(_float, result), distinct(labels), sheets)
    return "\n".join(parts)


def _float(result: Comparison, label: str, sheets: list[Sheet]) -> str:
    said = warning(result)
    caption = f"{sheets[0].title}: {conditions(result)}. {legend(result)}."
    notes = "".join(f" {sheet.note}." for sheet in sheets if sheet.note)
    alarm = rf" \textbf{{Warning: {latex_text(said)}.}}" if said else ""
    tabulars = "\n\n\\medskip\n".join(map(tabular, sheets))
    return (
        "\\begin{table}\n\\centering\\footnotesize\n"
        rf"\caption{{{latex_text(caption + notes)}{alarm}}}"
        f"\n\\label{{tab:{label}}}\n{tabulars}\n\\end{{table}}\n"
    )
