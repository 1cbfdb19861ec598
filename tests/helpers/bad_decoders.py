"""A task that does to its worker what the file says, as a hostile file might; others it decodes."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mothertongue.data.audio.decoders import Span
from mothertongue.data.sandbox import samples
from mothertongue.data.sandbox.channel import Answer

MAGIC = b"RIFF????WAVE do "
warm_up = samples.warm_up


def write_bad(path: Path, what: str) -> Path:
    """A file with which a worker of this task crashes, hangs, spins, hoards, fails or probes."""
    path.write_bytes(MAGIC + what.encode())
    return path


def answer(
    span: Span, good: Callable[[Span], Iterator[Answer]] = samples.answer
) -> Iterator[Answer]:
    """As another task, where the file is a good one."""
    assert span.descriptor is not None
    content = os.pread(span.descriptor, 100, 0)
    if content.startswith(MAGIC):
        yield {"said": globals()[content.removeprefix(MAGIC).decode()]()}, []
    else:
        yield from good(span)


def nothing() -> None: ...


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang() -> None:
    time.sleep(1000)


def spin() -> None:
    while True:
        pass


def hoard() -> None:
    np.ones(10**10)


def fail() -> None:
    raise RuntimeError("nobody foresaw this")


def flood() -> None:
    while True:
        os.write(2, b"damaged frame\n" * 100)


def hush() -> None:
    os.closerange(3, 64)
    hang()


def babble() -> None:
    for descriptor in range(3, 64):
        with suppress(OSError):
            os.write(descriptor, b"\xff" * 100)
    hang()


def probe() -> dict[str, str]:
    """What it can do that it should not, each with the error that it got."""
    attempts: dict[str, Callable[[], Any]] = {
        "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
        "read its own environment": lambda: os.open("/proc/self/environ", os.O_RDONLY),
        "list a folder": lambda: os.listdir("/"),
        "write a file": lambda: os.open("/tmp/bad_decoders", os.O_WRONLY | os.O_CREAT),
        "remove a file": lambda: os.unlink("/tmp/bad_decoders"),
        "reach the network": lambda: socket.socket(socket.AF_INET),
        "reach a local service": lambda: socket.socket(socket.AF_UNIX),
        "fork": lambda: os.fork() or os._exit(0),
        "run a program": lambda: os.execv("/bin/true", ["true"]),
        "signal its parent": lambda: os.kill(os.getppid(), 0),
    }
    return {what: _error(attempt) for what, attempt in attempts.items()}


def _error(attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except OSError as error:
        return type(error).__name__
    return "done"
