"""Decode files one after the other, until the socket is closed.

python -m mothertongue.data.sandbox.worker SOCKET TASK BOUNDS

SOCKET is the number of an open socket, TASK a module with `warm_up` and `answer` (as in
`sandbox.samples`), BOUNDS the limits as JSON. No torch.
"""

import importlib
import json
import os
import resource
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

from mothertongue.data.audio.decoders import Span
from mothertongue.data.audio.file import EXPORT_AGAIN
from mothertongue.data.audio.load import AudioError
from mothertongue.data.sandbox.bounds import Bounds
from mothertongue.data.sandbox.channel import Answer, receive_file, write_answer
from mothertongue.data.sandbox.system_calls import filter_system_calls

MAX_DESCRIPTORS = 64


class Task(Protocol):
    """Yield the results of a worker for a file."""

    def warm_up(self) -> None:
        """Load everything that is needed: a confined worker cannot open files."""

    def answer(self, span: Span) -> Iterator[Answer]:
        """Yield the results for a part of a file. Raises AudioError."""


def main() -> None:
    """Work until the socket is closed."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    task = cast(Task, importlib.import_module(sys.argv[2]))
    bounds = Bounds(**json.loads(sys.argv[3]))
    task.warm_up()
    _confine(bounds)
    with channel.makefile("wb") as out:
        write_answer(out, {"ready": True})
        out.flush()
        while received := receive_file(channel):
            asked, descriptor = received
            span = Span(**asked | {"path": Path(asked["path"]), "descriptor": descriptor})
            fault = None
            try:
                for found, arrays in _timed(task.answer(span), bounds.processor_s):
                    write_answer(out, {"found": found}, arrays)
            except Exception as error:
                fault = _fault(span, error).args
            os.close(descriptor)
            write_answer(out, {"fault": fault})
            out.flush()


def _timed(answers: Iterator[Answer], processor_s: float) -> Iterator[Answer]:
    """Yield the answers, with a limit on the processor time of each."""
    _limit_time(processor_s)
    for answer in answers:
        yield answer
        _limit_time(processor_s)


def _fault(span: Span, error: Exception) -> AudioError:
    """Return an error as a fault of the file, even if no decoder expected this damage."""
    if isinstance(error, AudioError):
        return error
    if isinstance(error, MemoryError):
        reason = f"{span.path}: takes too much memory to decode"
        return AudioError("AUD-COSTLY", reason, EXPORT_AGAIN)
    reason = f"{span.path}: its decoder failed with {type(error).__name__}: {error}"
    return AudioError("AUD-CORRUPT", reason, EXPORT_AGAIN)


def _confine(bounds: Bounds) -> None:
    """Give up all rights that decoding does not need."""
    _silence()
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + bounds.memory_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, MAX_DESCRIPTORS)
    filter_system_calls()


def _silence() -> None:
    """Print nothing from now on: decoders print messages about damage."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _limit_time(seconds: float) -> None:
    """Let the system kill the process after this many more seconds; a new call sets a new limit."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = _at_most(int(used.ru_utime + used.ru_stime + seconds) + 1, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (most, hard))


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = _at_most(most, hard)
    resource.setrlimit(kind, (most, most))


def _at_most(most: int, hard: int) -> int:
    """Return the lower of two limits: a process cannot raise the limit of a user or cluster."""
    return most if hard == resource.RLIM_INFINITY else min(most, hard)


if __name__ == "__main__":
    main()
