"""What a person sees while a run works: a bar on a terminal, plain lines elsewhere. No torch."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from mothertongue.tables import plain
from mothertongue.training.validation import Validation

LINE_EVERY_S = 30.0

console = Console(stderr=True, markup=False, emoji=False)
"""Logs and progress; standard output is for results alone. A path with [brackets] is no markup."""


def is_main_process() -> bool:
    """Whether this is the process of a run on several devices that people hear from."""
    return os.environ.get("RANK", "0") == "0"


def note(message: str) -> None:
    """Print a line of plain text for people; a corpus may have written a part of it."""
    console.print(plain(message), highlight=False)


class Quiet:
    """The watcher of the other processes."""

    def begun(self, step: int, total_steps: int) -> None: ...
    def stepped(self, step: int, loss: float, learning_rate: float) -> None: ...
    def validated(self, step: int, found: Validation, is_best: bool) -> None: ...
    def noted(self, message: str) -> None: ...


class TrainingProgress:
    """The watcher of `training.train` for people."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.task = bar.add_task("training", total=None, detail="")
        self.total_steps, self.last_line_s = 0, time.monotonic()

    def begun(self, step: int, total_steps: int) -> None:
        """Called once, with the step a continued run starts from."""
        self.total_steps = total_steps
        self.bar.update(self.task, total=total_steps, completed=step)
        if step:
            self.noted(f"continuing after step {step:,} of {total_steps:,}")

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        """Called after every optimizer step; loss in nats per label token."""
        detail = f"loss {loss:.3f}"
        self.bar.update(self.task, completed=step, detail=detail)
        if not console.is_terminal and time.monotonic() - self.last_line_s > LINE_EVERY_S:
            self.last_line_s = time.monotonic()
            self.noted(f"step {step:,}/{self.total_steps:,}  {detail}  rate {learning_rate:.1e}")

    def validated(self, step: int, found: Validation, is_best: bool) -> None:
        """Called after every validation."""
        self.noted(
            f"step {step:,}: validation WER {found.wer:.1%}, CER {found.cer:.1%}"
            + ("  (best so far)" if is_best else "")
        )

    def noted(self, message: str) -> None:
        """Print a line above the bar."""
        note(message)


@contextmanager
def training_progress() -> Iterator[TrainingProgress | Quiet]:
    """A bar of optimizer steps with the loss and the time left; of several processes, one bar."""
    if not is_main_process():
        yield Quiet()
        return
    with _bar() as bar:
        yield TrainingProgress(bar)


class TaskProgress:
    """The watcher of a comparison's processes: a table of those that run, and how many are done."""

    def __init__(self, live: Live) -> None:
        self.live, self.bar = live, _bar()
        self.task = self.bar.add_task("comparing", total=None, detail="")
        self.done, self.last_line_s = 0, time.monotonic()

    def total(self, count: int) -> None:
        """Called before each stage, with how many tasks it has."""
        self.done = 0
        self.bar.update(self.task, total=count, completed=0)

    def started(self, name: str) -> None:
        """Called when a process starts."""
        self.noted(f"started {name}")

    def ended(self, name: str, ok: bool) -> None:
        """Called when a process has ended, well or not."""
        self.done += 1
        self.bar.update(self.task, completed=self.done)
        self.noted(f"{'done' if ok else 'FAILED'}    {name}")

    def waiting(self, running: Mapping[str, str]) -> None:
        """Called a few times a second, with what each process that runs last told of itself."""
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, word in running.items():
            table.add_row(name, word)
        self.live.update(Group(table, self.bar))
        if not console.is_terminal and time.monotonic() - self.last_line_s > LINE_EVERY_S:
            self.last_line_s = time.monotonic()
            self.noted("running " + "; ".join(f"{name} {word}" for name, word in running.items()))

    def noted(self, message: str) -> None:
        """Print a line above the table."""
        note(message)


@contextmanager
def task_progress() -> Iterator[TaskProgress]:
    """A table of the processes that run, and a bar of those done."""
    with Live(console=console, transient=True, auto_refresh=console.is_terminal) as live:
        yield TaskProgress(live)


@contextmanager
def counting(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar of things done; call what it yields with how many more are."""
    done, last_line_s = 0, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, last_line_s
        done += count
        bar.update(task, completed=done)
        if not console.is_terminal and time.monotonic() - last_line_s > LINE_EVERY_S:
            last_line_s = time.monotonic()
            console.print(f"{description} {done:,}" + (f"/{total:,}" if total else ""))

    with _bar() as bar:
        task = bar.add_task(description, total=total, detail="")
        yield advance


class RecordingsProgress:
    """How many recordings are done, and how far into the one being read it is."""

    def __init__(self, bar: Progress, total: int) -> None:
        self.bar, self.count, self.total = bar, 0, total
        self.task = bar.add_task("transcribing", total=total, detail="")
        self.last_line_s = time.monotonic()

    def heard(self, path: Path, seconds: float) -> None:
        """Called as a recording is read, with how much of it was."""
        minutes, rest = divmod(int(seconds), 60)
        self.bar.update(self.task, detail=f"{plain(path.name)} {minutes}:{rest:02}")
        if not console.is_terminal and time.monotonic() - self.last_line_s > LINE_EVERY_S:
            self.last_line_s = time.monotonic()
            place = f"{self.count:,}/{self.total:,} done, {path.name} at {minutes}:{rest:02}"
            note(f"transcribing: {place}")

    def done(self) -> None:
        """Called when all of a recording is written."""
        self.count += 1
        self.bar.update(self.task, completed=self.count)


@contextmanager
def recordings_progress(total: int) -> Iterator[RecordingsProgress]:
    """A bar of recordings done."""
    with _bar() as bar:
        yield RecordingsProgress(bar, total)


def _bar() -> Progress:
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
