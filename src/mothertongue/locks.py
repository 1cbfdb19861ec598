"""Locks on files, which tell processes apart that would write into one folder. No torch.

NAME        held by flock: the system lets go of it when its holder dies, however it dies
NAME.held   only on a disk without flock, as some NFS and Lustre are: whoever makes it has the lock
"""

import errno
import fcntl
import os
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TextIO

from mothertongue.errors import MothertongueError

NO_FLOCK = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
POLL_S = 0.1
PATIENCE_S = 60.0
"""How long to wait for a turn where there is no flock: the holder may have died elsewhere."""
HOLDER = re.compile(r"process (\d{1,9}) on (.+)")

Release = Callable[[], object]


@contextmanager
def alone(path: Path, advice: str) -> Iterator[None]:
    """Hold the lock file `path`, which names this process then.

    Raises MothertongueError naming its folder and the process that holds it, with `advice` on what
    to do.
    """
    with _opened(path) as file:
        try:
            release = _take(file, path, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MothertongueError(f"{path.parent}: {error.strerror}; {advice}") from None
        file.truncate(0)
        file.write(f"{_myself()}\n")
        file.flush()
        try:
            yield
        finally:
            release()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process or thread holds the lock file `path`, then hold it."""
    with _opened(path) as file:
        release = _take(file, path, fcntl.LOCK_EX)
        try:
            yield
        finally:
            release()


def _opened(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a+", encoding="utf-8")


def _take(file: TextIO, path: Path, how: int) -> Release:
    """Take the lock and return what lets go of it. Raises BlockingIOError where another has it."""
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        holder = _read(path) or "another process"
        raise BlockingIOError(errno.EAGAIN, f"in use by {holder}", str(path)) from None
    except OSError as error:
        if error.errno not in NO_FLOCK:
            raise
        return _make(path.with_name(f"{path.name}.held"), 0 if how & fcntl.LOCK_NB else PATIENCE_S)
    # Closing the file is not enough: forked workers that still end hold it open too.
    return partial(fcntl.flock, file, fcntl.LOCK_UN)


def _make(held: Path, patience_s: float) -> Release:
    """Take a lock where there is no flock: of all processes, one can make a new file."""
    until = time.monotonic() + patience_s
    while True:
        with suppress(FileExistsError), held.open("x", encoding="utf-8") as file:
            file.write(_myself())
            return held.unlink
        holder = _read(held)
        if _is_dead(holder):
            _retire(held, holder)
        elif time.monotonic() < until:
            time.sleep(POLL_S)
        else:
            holder = holder or "another process"
            said = f"in use by {holder} (this disk has no locks: if that has died, remove {held})"
            raise BlockingIOError(errno.EAGAIN, said, str(held))


def _retire(held: Path, holder: str) -> None:
    """Remove the file of a dead holder; where others do so too, one of them."""
    taken = held.with_name(f"{held.name}-{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        held.rename(taken)
        if _read(taken) != holder:  # another was faster, and this is a living one's
            os.link(taken, held)
        taken.unlink()


def _is_dead(holder: str) -> bool:
    """Whether it is known to have died; nothing is known of other machines."""
    found = HOLDER.fullmatch(holder)
    if found is None or found[2] != socket.gethostname():
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # alive, another user's
        pass
    return False


def _myself() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""
