"""Files of a comparison by way of an object store, where its nodes share no folder.

<url>/
  blobs/<sha256>        the bytes of a file, under what they are
  trees/<path>.json     {file: sha256} of a file or folder, relative to the comparison's folder
A tree is replaced in one write, after its blobs: who reads it finds all of it or the one before.
"""

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec

from mothertongue.errors import ConfigError
from mothertongue.files import TEMPORARY, TRASH, sha256_file

Signature = dict[str, tuple[int, int]]
TRIES = 20


@dataclass(frozen=True, slots=True)
class Storage:
    """Any fsspec URL: s3://bucket/folder, gs://..., file:///mnt/shared."""

    url: str

    def check(self) -> None:
        """Raises ConfigError where it cannot be written to, or its protocol is not installed."""
        try:
            fs, root = self._open()
            fs.makedirs(f"{root}/trees", exist_ok=True)
            fs.makedirs(f"{root}/blobs", exist_ok=True)
            fs.pipe_file(f"{root}/trees/.writable", b"")
        except Exception as error:  # each protocol has its own
            raise ConfigError(
                f"--storage {self.url}: cannot be written to ({error}); expected an fsspec URL "
                "such as s3://bucket/folder, its package and its credentials on every node"
            ) from None

    def push(self, path: Path, folder: Path) -> None:
        """Keep a file or folder as it is now, in place of how it was kept before.

        Safe while a run works in it: what is being written there has another name until it is
        whole. Nothing is kept of what is not there.
        """
        fs, root = self._open()
        sums = _sums(path)
        if not sums:
            return
        before = self._tree(path, folder)
        for name, digest in sums.items():
            if not fs.exists(f"{root}/blobs/{digest}"):
                fs.put_file(str(path / name if name else path), f"{root}/blobs/{digest}")
        tree = f"{root}/{_key(path, folder)}"
        fs.makedirs(tree.rsplit("/", 1)[0], exist_ok=True)
        fs.pipe_file(tree, json.dumps(sums).encode())
        for name, digest in before.items():
            # A run's own weights and state: no other tree has the same bytes.
            if name.endswith(".safetensors") and digest not in sums.values():
                fs.rm_file(f"{root}/blobs/{digest}")

    def pull(self, path: Path, folder: Path, without: str | None = None) -> None:
        """Make a file or folder here what was kept last; what was never kept stays as it is.

        `without`: the name of a folder in it that is not needed.
        """
        fs, root = self._open()
        tree = self._tree(path, folder)
        wanted = {n: d for n, d in tree.items() if not (without and n.startswith(f"{without}/"))}
        if not wanted:
            return
        for name in _files(path):
            if name not in wanted:
                (path / name).unlink()
        for name, digest in wanted.items():
            target = path / name if name else path
            if target.is_file() and sha256_file(target) == digest:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f"{TEMPORARY}{target.name}")
            fs.get_file(f"{root}/blobs/{digest}", str(temporary))
            temporary.replace(target)
        _remove_empty(path)

    def _tree(self, path: Path, folder: Path) -> dict[str, str]:
        fs, root = self._open()
        try:
            found: dict[str, str] = json.loads(fs.cat_file(f"{root}/{_key(path, folder)}"))
        except FileNotFoundError:
            return {}
        return found

    def _open(self) -> tuple[Any, str]:
        fs, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        return fs, root.rstrip("/")


def signature(path: Path) -> Signature:
    """What changes when a file in the folder does: sizes and times, by name."""
    found = {}
    for name in _files(path):
        try:
            facts = (path / name).stat()
        except FileNotFoundError:  # just replaced: it will differ from the next look
            continue
        found[name] = (facts.st_size, facts.st_mtime_ns)
    return found


def _sums(path: Path) -> dict[str, str]:
    """The SHA-256 of every file, all of one moment; "" is the name of a path that is a file."""
    if path.is_file():
        return {"": sha256_file(path)}
    for _ in range(TRIES):
        before = signature(path)
        try:
            sums = {name: sha256_file(path / name) for name in before}
        except FileNotFoundError:
            continue
        if signature(path) == before:
            return sums
    return {}  # it changes faster than it can be read; the next push will find it at rest


def _files(path: Path) -> Iterable[str]:
    """Every file of a folder that has its final name; the lock is the machine's own."""
    for folder, folders, names in os.walk(path):
        folders[:] = [each for each in folders if not each.startswith((TEMPORARY, TRASH))]
        for name in names:
            if name != "lock" and not name.startswith((TEMPORARY, TRASH)):
                yield (Path(folder) / name).relative_to(path).as_posix()


def _remove_empty(path: Path) -> None:
    """Folders whose every file is gone: a checkpoint without files would pass for a damaged one."""
    for folder in sorted(filter(Path.is_dir, path.rglob("*")), reverse=True):
        if not any(folder.iterdir()):
            shutil.rmtree(folder)


def _key(path: Path, folder: Path) -> str:
    return f"trees/{path.relative_to(folder).as_posix()}.json"
