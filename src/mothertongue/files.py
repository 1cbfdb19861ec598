"""Writing so that existence means done: a temporary name, fsync, then rename."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from mothertongue.errors import DiskFull, MothertongueError

BLOCK_BYTES = 1 << 20
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
TEMPORARY = ".tmp-"
TRASH = ".trash-"


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, as hexadecimal; memory stays flat."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Write `value` as readable JSON, whole or not at all; without an indent it is far smaller."""
    with open_atomically(path) as file:
        json.dump(value, file, ensure_ascii=False, indent=indent, allow_nan=False)
        file.write("\n")


@contextmanager
def open_atomically(path: Path) -> Iterator[TextIO]:
    """A UTF-8 text file that appears under `path` only when the block ends without an error."""
    with _renamed(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def open_bytes_atomically(path: Path) -> Iterator[BinaryIO]:
    """The same for bytes."""
    with _renamed(path) as temporary, temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def folder_atomically(path: Path, num_bytes: int = 0) -> Iterator[Path]:
    """An empty folder to fill, which replaces `path` only when the block ends without an error.

    Raises DiskFull, before anything is written where its `num_bytes` are known.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    require_free(path, num_bytes)
    temporary = path.with_name(f"{TEMPORARY}{path.name}-{uuid.uuid4().hex}")
    temporary.mkdir()
    try:
        with said_when_full(path, temporary):
            yield temporary
            sync_tree(temporary)
        remove_folder(path)
        temporary.rename(path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_free(path: Path, num_bytes: int) -> None:
    """Raise DiskFull where the disk of `path`, whose folder is there, has fewer bytes free."""
    if (free := shutil.disk_usage(path.parent).free) < num_bytes:
        raise DiskFull(_no_room(path, f"{num_bytes:,} bytes", free))


@contextmanager
def said_when_full(path: Path, written: Path | None = None) -> Iterator[None]:
    """Raise DiskFull naming `path` where the block finds the disk full.

    `written` is what the block has written until then, where that is not `path` itself.
    """
    try:
        yield
    except Exception as error:
        if not _is_full(error):
            raise
        needed = f"more than {size_bytes(written or path):,} bytes"
        free = shutil.disk_usage(path.parent).free
        raise DiskFull(f"{_no_room(path, needed, free)} ({error})") from error


def require_writable(path: Path, why: str) -> None:
    """Raise MothertongueError where a file cannot be written under `path`, before there is one."""
    temporary = path.with_name(f"{TEMPORARY}{path.name}-{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise MothertongueError(f"{path}: cannot be written ({error.strerror}); {why}") from None


def size_bytes(path: Path) -> int:
    """The bytes of a file, or of all files below a folder; 0 where there is nothing."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(each.stat().st_size for each in files if each.is_file())


def remove_folder(path: Path) -> None:
    """Remove a folder so that a crash never leaves half of it under its own name."""
    if not path.exists():
        return
    trash = path.with_name(f"{TRASH}{path.name}-{uuid.uuid4().hex}")
    path.rename(trash)
    shutil.rmtree(trash)


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written or half removed in `folder`."""
    for path in folder.glob(".t*"):
        if path.name.startswith((TEMPORARY, TRASH)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def sync_tree(folder: Path) -> None:
    """Flush every file below `folder`, and the folder itself, to the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Flush a folder's own entries to the disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process or thread holds this file; a holder that dies lets go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _renamed(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, to be filled, which becomes it in the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{path.name}-{uuid.uuid4().hex}")
    try:
        with said_when_full(path, temporary):
            yield temporary
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _no_room(path: Path, needed: str, free: int) -> str:
    return (
        f"{path}: no room on the disk: it needs {needed}, {free:,} are free; make room there, or "
        "write to another disk"
    )


def _is_full(error: Exception) -> bool:
    """Whether it is a disk's, a quota's or a file's limit; safetensors has no OSError for it."""
    if isinstance(error, OSError):
        return error.errno in FULL
    return any(f"(os error {number})" in str(error) for number in FULL)
