"""What is told while a run works: names are shown as they are, and steer no terminal."""

import io
from pathlib import Path

import pytest

from mothertongue.comparison.progress import task_progress
from mothertongue.inference.progress import recordings_progress
from mothertongue.system import console as progress
from mothertongue.training.progress import TrainingProgress

NAME = "a [b][/b] :bomb:"
"""Markup that closes nothing, and the name of an emoji."""


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    told = io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    changes = {"_force_terminal": True, "is_interactive": True, "_width": 200, "_file": told}
    for name, value in changes.items():
        monkeypatch.setattr(progress.console, name, value)
    return told


def test_names_with_brackets_are_no_markup(terminal: io.StringIO) -> None:
    with progress.counting(f"exporting {NAME}", 2) as advance:
        advance(1)
    with recordings_progress(1) as recordings:
        recordings.read(Path("heard a [b] :bomb:.wav"), 61.0)
    with task_progress() as tasks:
        tasks.waiting({f"run {NAME}": f"word {NAME}"})
        tasks.live.refresh()
    for shown in (
        f"exporting {NAME}",
        f"run {NAME}",
        f"word {NAME}",
        "heard a [b] :bomb:.wav 1:01",
    ):
        assert shown in terminal.getvalue()


def test_a_note_steers_no_terminal(terminal: io.StringIO) -> None:
    for noted in (progress.note, TrainingProgress(progress.progress_bar()).noted):
        noted("clip \x1b]0;title\x07\x1b[2J\x9b2J\r\udcff")
    assert terminal.getvalue() == "clip ]0;title[2J2J\\udcff\n" * 2


def test_a_note_is_one_line_however_long(terminal: io.StringIO) -> None:
    progress.note(f"{'words ' * 60}/a/path/{'of-a-run/' * 40}report.html")
    assert terminal.getvalue().count("\n") == 1
