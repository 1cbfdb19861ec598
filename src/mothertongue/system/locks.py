"""Locks on files: only one process at a time may write into a folder. No torch.

NAME        held by flock: the system lets go of it when its holder dies, however it dies
NAME.held   only on a disk without flock, as some NFS and Lustre are: whoever makes it has the lock
Both are gone when the lock is, unless its holder was killed.
"""

import errno
import fcntl
import os
import re
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from mothertongue.errors import ConfigError, MothertongueError
from mothertongue.system.files import sweep

NO_FLOCK = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
POLL_S = 0.1
PATIENCE_S = 60.0
"""How long to wait for a turn where there is no flock: the holder may have died elsewhere."""
HOLDER = re.compile(r"process (\d{1,9}) on (.+)")
GIVE_ANOTHER = "wait for it, stop it, or give another --out"
_ours: set[TextIO] = set()


@contextmanager
def alone(path: Path, place: Path, advice: str) -> Iterator[None]:
    """Lock the file `path`, so that this process works alone in `place`.

    Raises MothertongueError naming the place and the process that holds the lock, with `advice` on
    what to do.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(_held(path, fcntl.LOCK_EX | fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise MothertongueError(f"{place}: {error.strerror}; {advice}") from None
        file.truncate(0)
        file.write(_myself())
        file.flush()
        yield


@contextmanager
def making(out: Path) -> Iterator[None]:
    """Lock a folder that is to be made, so that this process alone makes it; sweep beside it.

    Raises ConfigError where it is there already, and MothertongueError as `alone` does.
    """
    with alone(out.with_name(f".{out.name}.lock"), out, GIVE_ANOTHER):
        if out.exists():
            raise ConfigError(
                f"{out}: there is something already; give another --out, or remove it"
            )
        sweep(out.parent)
        yield


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process or thread holds the lock file `path`, then hold it."""
    with _held(path, fcntl.LOCK_EX):
        yield


@contextmanager
def _held(path: Path, how: int) -> Iterator[TextIO]:
    """Lock with flock's flags `how`. Raises BlockingIOError if another process has the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _opened(path) as file, _flocked(file, path, how):
        if _is_there(path, file):
            try:
                yield file
            finally:
                path.unlink(missing_ok=True)
            return
    with _held(path, how) as file:  # the last holder has removed the file that we had opened
        yield file


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Open a lock file that forked processes do not inherit, because they may live longer."""
    with path.open("a+", encoding="utf-8") as file:
        _ours.add(file)
        try:
            yield file
        finally:
            _ours.discard(file)


def _forget() -> None:
    for file in _ours:
        file.close()
    _ours.clear()


os.register_at_fork(after_in_child=_forget)


@contextmanager
def _flocked(file: TextIO, path: Path, how: int) -> Iterator[None]:
    """Hold an open file by flock; closing it lets go."""
    with ExitStack() as stack:
        try:
            fcntl.flock(file, how)
        except BlockingIOError:
            raise _in_use(path, "") from None
        except OSError as error:
            if error.errno not in NO_FLOCK:
                raise
            held = path.with_name(f"{path.name}.held")
            stack.enter_context(_made(held, 0 if how & fcntl.LOCK_NB else PATIENCE_S))
        yield


@contextmanager
def _made(held: Path, patience_s: float) -> Iterator[None]:
    """Lock without flock: only one process can create a new file."""
    until = time.monotonic() + patience_s
    while not _make(held):
        if _is_dead(holder := _read(held)):
            _retire(held, holder)
        elif time.monotonic() < until:
            time.sleep(POLL_S)
        else:
            raise _in_use(held, f" (this disk has no locks: if that has died, remove {held})")
    try:
        yield
    finally:
        held.unlink(missing_ok=True)


def _make(held: Path) -> bool:
    try:
        with held.open("x", encoding="utf-8") as file:
            file.write(_myself())
    except FileExistsError:
        return False
    return True


def _retire(held: Path, holder: str) -> None:
    """Remove the lock file of a dead process; only one of several processes succeeds."""
    taken = held.with_name(f"{held.name}-{uuid.uuid4().hex}")
    with suppress(FileNotFoundError):
        held.rename(taken)
        if _read(taken) != holder:  # another was faster, and this is a living one's
            os.link(taken, held)
        taken.unlink()


def _is_dead(holder: str) -> bool:
    """Return whether the process has certainly ended; False for processes on other machines."""
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


def _is_there(path: Path, file: TextIO) -> bool:
    """Return whether the open file still has its name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _in_use(path: Path, advice: str) -> BlockingIOError:
    holder = _read(path) or "another process"
    return BlockingIOError(errno.EAGAIN, f"in use by {holder}{advice}", str(path))


def _myself() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return ""
