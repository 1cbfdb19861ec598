"""Test the lines that show how far an alignment is."""

from pathlib import Path

import pytest

from mothertongue.data.clip_checks import LongClip
from mothertongue.inference.progress import align_progress
from mothertongue.system import console


def test_lines_say_which_recording_and_how_much(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "LINE_EVERY_S", -1.0)
    with align_progress() as watcher:
        watcher.rows(3)
        for name in ("a.wav", "b\x1b.wav"):
            watcher.recording(LongClip(Path(name), 0.0, None, "habari", "sw"))
            watcher.pieces(16)
            watcher.pieces(5)
        watcher.rows(1)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "checking 3",
        "aligning a.wav: 0 pieces transcribed",
        "aligning a.wav: 16 pieces transcribed",
        "aligning a.wav: 21 pieces transcribed",
        "aligning b.wav: 0 pieces transcribed",
        "aligning b.wav: 16 pieces transcribed",
        "aligning b.wav: 21 pieces transcribed",
        "checking 4",
    ]
