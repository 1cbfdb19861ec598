"""Write files so that a file with its final name is complete: temporary name, fsync, rename."""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from mothertongue.errors import ConfigError, DiskFull, MothertongueError
from mothertongue.system.json_files import plain_values

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
TEMPORARY = ".tmp-"
TRASH = ".trash-"
OURS = re.compile(r"\.(tmp|trash)-(.*-)?[0-9a-f]{32}")
"""The names that `beside` gives, and gave: with the file's own name before the digits."""


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as hexadecimal; memory stays flat."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_files(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of a file's bytes; of several files, that of their digests in order."""
    digests = [sha256_file(path) for path in paths]
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )


def write_json_lines(path: Path, records: Iterable[Any]) -> None:
    """Write a line of JSON for each record, all of them or none."""
    with open_atomically(path) as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Write `value` as readable JSON, whole or not at all; without an indent it is far smaller.

    It may have dataclasses in it, see json_files.py.
    """
    with open_atomically(path) as file:
        json.dump(
            value, file, ensure_ascii=False, indent=indent, allow_nan=False, default=plain_values
        )
        file.write("\n")


@contextmanager
def open_atomically(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file that gets the name `path` only if the block ends without an error."""
    with (
        file_atomically(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def open_bytes_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that gets the name `path` only if the block ends without an error."""
    with file_atomically(path) as temporary, temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def folder_atomically(path: Path, num_bytes: int = 0) -> Iterator[Path]:
    """Yield an empty folder, which replaces `path` only if the block ends without an error.

    Raises DiskFull, before anything is written where its `num_bytes` are known.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    require_free(path, num_bytes)
    with temporary_folder(path.parent) as fresh:
        with reporting_disk_full(path, fresh):
            yield fresh
            _give_usual_permissions(fresh)
            sync_tree(fresh)
        remove_folder(path)
        fresh.rename(path)
    sync_folder(path.parent)


@contextmanager
def file_atomically(path: Path) -> Iterator[Path]:
    """Yield an empty file, which replaces `path` only if the block ends without an error.

    Raises ConfigError if `path` is something else than a file.
    """
    refuse_non_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(path, TEMPORARY)
    try:
        with reporting_disk_full(path, temporary), _created(temporary, path) as file:
            _hold(file.fileno())
            yield temporary
            temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder(home: Path) -> Iterator[Path]:
    """Yield an empty folder in `home`; it is removed when the block ends, unless it was renamed."""
    home.mkdir(parents=True, exist_ok=True)
    folder = beside(home / "folder", TEMPORARY)
    with _naming(home):
        folder.mkdir()
    try:
        with _opened(folder) as descriptor:
            _hold(descriptor)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require_free(path: Path, num_bytes: int) -> None:
    """Raise DiskFull if the disk of `path` has fewer bytes free; its folder must exist."""
    if (free := shutil.disk_usage(path.parent).free) < num_bytes:
        raise DiskFull(_no_room(path, f"{num_bytes:,} bytes", free))


@contextmanager
def reporting_disk_full(path: Path, written: Path | None = None) -> Iterator[None]:
    """Raise DiskFull with the name of `path` if the block finds the disk full.

    `written` is what the block has written until then, where that is not `path` itself. A block
    inside names its own file, which may be a temporary one: the outermost name counts.
    """
    try:
        yield
    except Exception as error:
        cause = error.__cause__ if isinstance(error, DiskFull) else error
        if not _is_full(cause):
            raise
        needed = f"more than {size_bytes(written or path):,} bytes"
        free = shutil.disk_usage(path.parent).free
        raise DiskFull(f"{_no_room(path, needed, free)} ({cause})") from cause


def require_writable(path: Path, why: str) -> None:
    """Raise MothertongueError if no file can be written as `path`; checks before writing."""
    refuse_non_file(path)
    temporary = beside(path, TEMPORARY)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        is_below_file = isinstance(error, FileExistsError | NotADirectoryError)
        reason = "it is below a file" if is_below_file else error.strerror
        raise MothertongueError(f"{path}: cannot be written ({reason}); {why}") from None


def refuse_non_file(path: Path) -> None:
    """Raise ConfigError if something else than a file is at `path`, such as a folder or a pipe."""
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a device or a pipe"
        raise ConfigError(f"{path}: {kind}; expected the name of a file to write; give another")


def size_bytes(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder; 0 if nothing is there."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(each.stat().st_size for each in files if each.is_file())


def remove_folder(path: Path) -> None:
    """Remove a folder so that a crash never leaves half of it under its own name."""
    if not path.exists():
        return
    trash = beside(path, TRASH)
    path.rename(trash)
    shutil.rmtree(trash)


def sweep(folder: Path) -> None:
    """Remove files that a killed process left half written or half removed in `folder`.

    Names that are not ours stay, and so does what a living process still writes.
    """
    for path in folder.glob(".t*"):
        if not OURS.fullmatch(path.name) or path.is_symlink() or _is_held(path):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def beside(path: Path, mark: str) -> Path:
    """Return a new name in the same folder that starts with `mark`: TEMPORARY or TRASH.

    The name of `path` is not part of it: a name may have 255 bytes, and `path` may use them all.
    """
    return path.with_name(f"{mark}{uuid.uuid4().hex}")


def sync_tree(folder: Path) -> None:
    """Flush every file below `folder`, and the folder itself, to the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Flush a folder's own entries to the disk, so that a rename survives a power cut."""
    with _opened(folder) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor for a file or folder, to read."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _created(temporary: Path, path: Path) -> BinaryIO:
    """Create the temporary file of `path`, and open it."""
    with _naming(path):
        return temporary.open("xb")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name `path` in the block's OSError: the temporary file's own name tells nobody anything."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _hold(descriptor: int) -> None:
    """Lock it, so that other processes see that a living one writes there; needs disk locks."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_held(path: Path) -> bool:
    """Return whether a living process writes there; False on a disk without locks."""
    try:
        with _opened(path) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _give_usual_permissions(folder: Path) -> None:
    """Make every file below as readable as the folder is; safetensors makes them the owner's."""
    mode = folder.stat().st_mode & 0o666
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(mode)


def _no_room(path: Path, needed: str, free: int) -> str:
    return (
        f"{path}: no room on the disk: it needs {needed}, {free:,} are free; make room there, or "
        "write to another disk"
    )


def _is_full(error: BaseException | None) -> bool:
    """Return whether a disk, a quota or a file is full; safetensors raises no OSError for it."""
    if isinstance(error, OSError):
        return error.errno in FULL
    return any(f"(os error {number})" in str(error) for number in FULL)
