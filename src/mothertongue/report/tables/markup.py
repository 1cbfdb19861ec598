"""Write a sheet as Markdown (GitHub's) and LaTeX (booktabs); names cannot become markup."""

import re

from mothertongue.report.tables.sheets import Sheet
from mothertongue.system.console import plain

MARKDOWN = re.compile(r"([\\`*\[\]<>&|~$]|(?<![^\W_])_|_(?![^\W_]))")
"""The characters that GitHub would read as markup; an underscore within a word is none."""
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # After the end of a row these three would be its options.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}
MINUS = re.compile(r"(?<!\S)-(?=\d)")
RANGE = re.compile(r"(?<=\d)-(?=\d)")


def markdown(sheet: Sheet) -> str:
    """Return the table under its title, with its note below."""
    numbers = len(sheet.columns) - sheet.labels
    lines = [
        f"### {markdown_text(sheet.title)}\n",
        _markdown_row(sheet.columns),
        "|" + " --- |" * sheet.labels + " ---: |" * numbers,
        *map(_markdown_row, sheet.rows),
    ]
    if sheet.note:
        lines.append(f"\n{markdown_text(sheet.note)}")
    return "\n".join(lines) + "\n"


def markdown_text(text: str) -> str:
    """Return one line that GitHub shows unchanged."""
    return MARKDOWN.sub(r"\\\1", one_line(text))


def tabular(sheet: Sheet) -> str:
    """Return the table under its title, for a LaTeX float; the caption has its note."""
    numbers = len(sheet.columns) - sheet.labels
    rows = [
        [*map(latex_text, row[: sheet.labels]), *map(_latex_figure, row[sheet.labels :])]
        for row in sheet.rows
    ]
    return "\n".join(
        [
            rf"\emph{{{latex_text(sheet.title)}}}\par\smallskip",
            rf"\begin{{tabular}}{{{'l' * sheet.labels}{'r' * numbers}}}",
            r"\toprule",
            _latex_row([latex_text(column) for column in sheet.columns]),
            r"\midrule",
            *map(_latex_row, rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def latex_text(text: str) -> str:
    """Return one line that LaTeX prints unchanged."""
    return "".join(LATEX.get(character, character) for character in one_line(text))


def one_line(text: str) -> str:
    """Return text without line ends and control characters."""
    return " ".join(plain(part) for part in text.split())


def _markdown_row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(map(markdown_text, cells)) + " |"


def _latex_row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_figure(text: str) -> str:
    """Return a figure with a real minus, an en dash in a range, and an arrow."""
    figure = MINUS.sub("$-$", RANGE.sub("--", latex_text(text)))
    return figure.replace(r"-\textgreater{}", r"$\to$")
