"""Work in a fork of this process: its exit code or signal, its output, its time and its memory.

Whatever the work does, a crash included, costs that fork alone; what is imported here is there.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mothertongue import cli

KIB = 1024
TRACEBACK = "Traceback (most recent call last)"
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a fork."""

    code: int  # its exit code, or the signal that ended it, negative
    out: str
    err: str
    seconds: float
    peak_bytes: int

    @property
    def crashed(self) -> bool:
        """Whether a fault of memory ended it, or the library's own abort."""
        return -self.code in CRASHES

    @property
    def hung(self) -> bool:
        """Whether it was ended because its time was over."""
        return -self.code in (signal.SIGALRM, signal.SIGXCPU)

    @property
    def has_traceback(self) -> bool:
        return TRACEBACK in self.err


def forked(work: Callable[[], int], folder: Path, limit_s: float) -> Outcome:
    """Run `work`, which returns an exit code, in a fork with `folder` as its current folder."""
    child, began = start(work, folder, limit_s), time.monotonic()
    _, status, used = os.wait4(child, 0)
    seconds = time.monotonic() - began
    out, err = (_text(folder / name) for name in (".out", ".err"))
    return Outcome(os.waitstatus_to_exitcode(status), out, err, seconds, used.ru_maxrss * KIB)


def start(work: Callable[[], int], folder: Path, limit_s: float) -> int:
    """The process number of a fork that does `work`; its output goes to .out and .err."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    os.setpgid(0, 0)  # what it starts can then be ended with it
    os.chdir(folder)
    for number, name in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    # The default handler ends even a decoder that is deep in C; a Python one would wait for it.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(max(1, round(limit_s)))
    code = 1
    try:
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def verb(*arguments: object) -> Callable[[], int]:
    """The console script with these arguments, as work for a fork."""

    def work() -> int:
        sys.argv = ["mothertongue", *map(str, arguments)]
        try:
            cli.main()
        except SystemExit as stop:
            return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        return 0

    return work


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace")
