"""Progress and notes of a run: a bar on a terminal, plain lines elsewhere. No torch."""

import os
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LINE_EVERY_S = 30.0

console = Console(stderr=True, markup=False, emoji=False)
"""Logs and progress; standard output is for results alone. A path with [brackets] is no markup."""


def is_main_process() -> bool:
    """Return whether this process is the one that prints, in a run on several devices."""
    return os.environ.get("RANK", "0") == "0"


def note(message: str) -> None:
    """Print a line of plain text for people; parts of it may come from a corpus.

    It stays one line, so that a path in it can be copied and a log can be searched.
    """
    console.print(plain(message), highlight=False, soft_wrap=True)


class RareLines:
    """Prints lines of progress where no terminal shows a bar: one in LINE_EVERY_S, not each."""

    def __init__(self) -> None:
        self.last_s = time.monotonic()

    def note(self, message: str) -> None:
        """Print a line if it is time for one."""
        if not console.is_terminal and time.monotonic() - self.last_s > LINE_EVERY_S:
            self.last_s = time.monotonic()
            note(message)


@contextmanager
def counting(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar; call the yielded function with the number of things newly done."""
    done, lines = 0, RareLines()

    def advance(count: int) -> None:
        nonlocal done
        done += count
        bar.update(task, completed=done)
        lines.note(f"{description} {done:,}" + (f"/{total:,}" if total else ""))

    with progress_bar() as bar:
        task = bar.add_task(description, total=total, detail="")
        yield advance


def progress_bar() -> Progress:
    """Show a progress bar with the time left; nothing if standard error is no terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def interval(bounds: Sequence[float]) -> str:
    """Return a 95 % interval in percent, such as 12.3-15.6."""
    low, high = bounds
    return f"{100 * low:.1f}-{100 * high:.1f}"


def gigabytes(count: int) -> str:
    """Return a number of bytes for people, in powers of ten."""
    return f"{count / 1e9:.2f} GB"


def duration(seconds: float) -> str:
    """42 s, 12 min, 3.4 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def plain(text: str) -> str:
    """Return text that cannot control a terminal: line ends are its only control characters.

    A byte of a file name that is no UTF-8 becomes its code, such as \\udcff.
    """
    kept = "".join(c for c in text if c == "\n" or unicodedata.category(c) != "Cc")
    return kept.encode("utf-8", "backslashreplace").decode()
