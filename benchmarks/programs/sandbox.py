"""A verb that decodes many clips, in workers or in its own process, as one line of JSON.

usage: sandbox.py JSON: {"table": ..., "verb": prepare, transcribe or report, "sandbox": bool}. What
is measured is all that the verb does but for the model: a stand-in hears nothing. The start of the
workers is part of it. A child of bench.py.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import psutil

from mothertongue.data.audio.decoders import Span
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sandbox.channel import Answer
from mothertongue.data.sources.detect import detect
from mothertongue.decoding.transcript import Clip, Transcript
from mothertongue.inference.speech_detection import everything, has_detector, voiced
from mothertongue.inference.transcribe import transcribe_files
from mothertongue.report.audio_clips import Playable, collect_sounds


class InProcess:
    """Stands for a sandbox: does the same task in this process."""

    def __init__(self, task: str) -> None:
        self.task = import_module(task)

    def __enter__(self) -> "InProcess":
        return self

    def __exit__(self, *_: object) -> None: ...

    def answers(self, span: Span) -> Iterator[Answer]:
        yield from self.task.answer(span)


class Deaf:
    """Stands for a model."""

    def __call__(self, audio: Sequence[Any], language: str | None) -> list[Transcript]:
        return [Transcript("", "sw", (), 0.0) for _ in audio]

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        return self(clips, "sw")


def run_prepare(table: Path, out: Path) -> int:
    found = prepare(detect(table), out, PrepareOptions(language="sw"), lambda *_: 0)
    return found.num_rows - sum(found.rejected.values())


def run_transcribe(table: Path, out: Path) -> int:
    find = voiced if has_detector() else everything
    find(import_module("numpy").zeros(16_000, "float32"))
    return sum(1 for _ in transcribe_files(Deaf(), paths(table), find, "sw", "full"))


def run_report(table: Path, out: Path) -> int:
    whole = {"start_s": 0.0, "duration_s": None, "errors": 0.0}
    clips = [Playable(id=str(each), audio=str(each), **whole) for each in paths(table)]
    return len(collect_sounds([clips], "embed", 10**9, out / "page.html").found)


VERBS: dict[str, Callable[[Path, Path], int]] = {
    "prepare": run_prepare,
    "transcribe": run_transcribe,
    "report": run_report,
}
PLACES = (
    "mothertongue.data.prepare.Sandbox",
    "mothertongue.inference.transcribe.Sandbox",
    "mothertongue.report.audio_clips.Sandbox",
)


def paths(table: Path) -> list[Path]:
    return [table.parent / json.loads(line)["audio"] for line in table.read_text().splitlines()]


def processor_s() -> float:
    """Count this process and its children that have ended."""
    times = psutil.Process().cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def measured(table: Path, verb: str, is_sandboxed: bool) -> dict[str, float]:
    """How many clips came through, in how many seconds, and of how much processor time."""
    with ExitStack() as stack:
        for place in () if is_sandboxed else PLACES:
            stack.enter_context(patch(place, InProcess))
        out = Path(stack.enter_context(TemporaryDirectory()))
        began_s, used_s = time.perf_counter(), processor_s()
        clips = VERBS[verb](table, out)
        seconds = time.perf_counter() - began_s
    return {"clips": clips, "seconds": seconds, "processor_s": processor_s() - used_s}


if __name__ == "__main__":
    spec = json.loads(sys.argv[1])
    print(json.dumps(measured(Path(spec["table"]), spec["verb"], spec["sandbox"])))
