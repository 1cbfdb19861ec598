"""Ask another process for the bytes that it has in use, without the free pages between them.

How many free pages stay between the blocks of a heap is chance, and hides a slow leak. With
PYTHONMALLOC=malloc Python's objects are blocks of the same heap. glibc only.
"""

import ctypes
import signal
import time
from pathlib import Path

import psutil

from mothertongue.system.files import open_atomically

TOLD_S = 30.0


class _MallInfo2(ctypes.Structure):
    """See mallinfo(3)."""

    _fields_ = (
        ("arena", ctypes.c_size_t),
        ("ordblks", ctypes.c_size_t),
        ("smblks", ctypes.c_size_t),
        ("hblks", ctypes.c_size_t),
        ("hblkhd", ctypes.c_size_t),
        ("usmblks", ctypes.c_size_t),
        ("fsmblks", ctypes.c_size_t),
        ("uordblks", ctypes.c_size_t),
        ("fordblks", ctypes.c_size_t),
        ("keepcost", ctypes.c_size_t),
    )


def tell_when_asked(path: Path) -> None:
    """Let this process write its bytes in use to a file at each SIGUSR1."""

    def tell(*_: object) -> None:
        with open_atomically(path) as file:
            file.write(str(_in_use_bytes()))

    signal.signal(signal.SIGUSR1, tell)


def told_bytes(process: psutil.Process, path: Path) -> int:
    """Return the bytes in use of a process, which tells them in this file."""
    path.unlink(missing_ok=True)
    process.send_signal(signal.SIGUSR1)
    until_s = time.monotonic() + TOLD_S
    while not path.exists():
        if time.monotonic() > until_s:
            raise TimeoutError(f"process {process.pid} did not tell within {TOLD_S:g} s")
        time.sleep(0.05)
    return int(path.read_text())


def _in_use_bytes() -> int:
    libc = ctypes.CDLL("libc.so.6")
    libc.mallinfo2.restype = _MallInfo2
    found = libc.mallinfo2()
    return int(found.uordblks + found.hblkhd)
