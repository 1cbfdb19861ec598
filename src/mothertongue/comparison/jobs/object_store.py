"""Move files of a comparison through an object store if its nodes share no folder.

<url>/
  <path>/tree.json        {file: sha256} of a file or folder, relative to the comparison's folder
  <path>/files/<sha256>   the bytes of each, under their digest
A tree is replaced in one write, after its files: a reader finds all of it or the one before.
"""

import json
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from mothertongue.errors import ConfigError, DataError
from mothertongue.system.files import (
    TEMPORARY,
    TRASH,
    file_atomically,
    sha256_file,
    temporary_folder,
)

Signature = dict[str, tuple[int, int]]
TRIES = 20
WEIGHTS = ".safetensors"
SHA256 = re.compile("[0-9a-f]{64}")
LOCKS = ("lock", "lock.held")
ALONE = ".alone"  # the name of what is a file and no folder


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage at any fsspec URL: s3://bucket/folder, gs://..., file:///mnt/shared."""

    url: str

    def check(self) -> None:
        """Raise ConfigError if the storage is not writable, or its protocol is not installed."""
        try:
            fs, root = self._open()
            fs.makedirs(root, exist_ok=True)
            fs.pipe_file(f"{root}/.writable", b"")
        except Exception as error:  # each protocol has its own
            raise ConfigError(
                f"--storage {self.url}: cannot be written to ({error}); expected an fsspec URL "
                "such as s3://bucket/folder, its package and its credentials on every node"
            ) from None

    def push(self, path: Path, folder: Path) -> None:
        """Store a file or folder as it is now, in place of its earlier version.

        Safe while a run works in it: a file that is being written has another name until it is
        whole. A path that does not exist is not stored.
        """
        if not path.exists():
            return
        home = path if path.is_dir() else path.parent
        with temporary_folder(home) as still:
            if _hold_still(path, still):
                self._push(still, self._place(path, folder))

    def _push(self, still: Path, place: str) -> None:
        fs, _ = self._open()
        fs.makedirs(f"{place}/files", exist_ok=True)
        sums = {name: sha256_file(still / name) for name in _files(still)}
        for name, digest in sums.items():
            if not _has(fs, f"{place}/files/{digest}", (still / name).stat().st_size):
                fs.put_file(str(still / name), f"{place}/files/{digest}")
        fs.pipe_file(f"{place}/tree.json", json.dumps(sums).encode())
        for kept in fs.ls(f"{place}/files", detail=False):
            if kept.rsplit("/", 1)[1] not in sums.values():
                fs.rm_file(kept)

    def pull(self, path: Path, folder: Path, without: str | None = None) -> None:
        """Replace a local file or folder by its stored version, if there is one.

        `without`: the name of a folder in it that is not needed. Raises DataError where the
        stored version is damaged.
        """
        fs, _ = self._open()
        place = self._place(path, folder)
        tree = self._tree(place)
        if tree is None:
            return
        wanted = {n: d for n, d in tree.items() if not (without and n.startswith(f"{without}/"))}
        is_file = list(wanted) == [ALONE]
        for name in () if is_file else _files(path):
            if name not in wanted:
                (path / name).unlink()
        for name, digest in wanted.items():
            target = path if is_file else path / name
            if target.is_file() and sha256_file(target) == digest:
                continue
            with file_atomically(target) as fresh:
                fs.get_file(f"{place}/files/{digest}", str(fresh))
                if sha256_file(fresh) != digest:
                    raise DataError(f"{self.url}: {place}/{name} does not match its SHA-256")
        _remove_empty(path)

    def _tree(self, place: str) -> dict[str, str] | None:
        """Return the stored tree, {file: sha256}, or None. Raises DataError if it is damaged.

        Anyone who writes to the storage may put any name there: all must lie below the folder.
        """
        fs, _ = self._open()
        try:
            tree: dict[str, str] = json.loads(fs.cat_file(f"{place}/tree.json"))
            is_sound = all(_is_below(n) and SHA256.fullmatch(d) for n, d in tree.items())
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, AttributeError):
            is_sound = False
        if not is_sound:
            raise DataError(
                f"{self.url}: {place}/tree.json is damaged, or leads out of its folder; remove "
                f"{place} there, and its work is done again"
            )
        return tree

    def _place(self, path: Path, folder: Path) -> str:
        _, root = self._open()
        return f"{root}/{path.relative_to(folder).as_posix()}"

    def _open(self) -> tuple[Any, str]:
        fs, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        return fs, root.rstrip("/")


def signature(path: Path) -> Signature:
    """Return the size and time of each file in the folder, by name, to detect changes."""
    found = {}
    for name in _files(path):
        try:
            facts = (path / name).stat()
        except FileNotFoundError:  # just replaced: it will differ from the next look
            continue
        found[name] = (facts.st_size, facts.st_mtime_ns)
    return found


def _linked(path: Path, target: Path) -> None:
    """Make a hard link to a file, or copy it if the disk has no hard links."""
    try:
        os.link(path, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(path, target)


def _hold_still(path: Path, still: Path) -> bool:
    """Copy the state of all files at one moment to another folder; return False on failure.

    Weights are only ever replaced, so a hard link keeps them; the rest is small and copied.
    """
    if path.is_file():
        shutil.copy2(path, still / ALONE)
        return True
    for _ in range(TRIES):
        before = signature(path)
        try:
            for name in before:
                target = still / name
                target.parent.mkdir(parents=True, exist_ok=True)
                hold = _linked if name.endswith(WEIGHTS) else shutil.copy2
                hold(path / name, target)
        except FileNotFoundError:
            pass
        else:
            if signature(path) == before:
                return bool(before)
        for left in still.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    return False  # it changes faster than it can be read; the next push will find it at rest


def _is_below(name: str) -> bool:
    """Return whether a relative name stays below its folder."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _has(fs: Any, url: str, size: int) -> bool:
    """Return whether the whole file is there: file systems also show half-written files."""
    try:
        return bool(fs.info(url)["size"] == size)
    except FileNotFoundError:
        return False


def _files(path: Path) -> Iterable[str]:
    """Return every file of a folder that has its final name, without the locks of this machine."""
    for folder, folders, names in os.walk(path):
        folders[:] = [each for each in folders if not each.startswith((TEMPORARY, TRASH))]
        for name in names:
            if name not in LOCKS and not name.startswith((TEMPORARY, TRASH)):
                yield (Path(folder) / name).relative_to(path).as_posix()


def _remove_empty(path: Path) -> None:
    """Remove empty folders: a checkpoint without files would count as a damaged one."""
    for folder in sorted(filter(Path.is_dir, path.rglob("*")), reverse=True):
        if not any(folder.iterdir()):
            shutil.rmtree(folder)
