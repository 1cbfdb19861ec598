"""Find the audio of rows, and check that it is inside the data folder."""

import os
import unicodedata
from functools import lru_cache
from pathlib import Path

from mothertongue.data.folders import walk
from mothertongue.errors import Fault

MAX_PATH = 4096  # bytes, of Linux; each part of a path is a question to the disk
FIX = "copy the clip into the data folder, or pass --allow-outside where you trust the table"


def clip_path(root: Path, audio: str, may_leave: bool) -> tuple[Path, tuple[str, ...]]:
    """Return a clip's real path, and PATH-FORM if its name on disk has another Unicode form.

    `root` is a real path. Raises Fault PATH-OUTSIDE for a URL or `~`, always, and for what leads
    out of `root` by `..`, an absolute path or a symbolic link, unless `may_leave`; PATH-NAME for
    a name that is not UTF-8.
    """
    if "://" in audio or audio.startswith(("~", "\\\\")) or "\0" in audio:
        reason = f"{audio!r} is a URL, a home folder or no path; expected a path below {root}"
        raise Fault("PATH-OUTSIDE", reason, "download the clip and write its path")
    found, notes = _existing(str(root), audio)
    folder, name = os.path.split(found)
    real = os.path.join(_real_folder(folder), name)
    if os.path.islink(real) or name in ("", ".", ".."):
        real = _resolved(real)
    if not may_leave and not real.startswith(os.path.join(root, "")):
        raise Fault("PATH-OUTSIDE", f"{audio!r} leads to {real}, outside of {root}", FIX)
    require_utf8(real)
    return Path(real), notes


def linked_folder_remarks(path: Path) -> list[str]:
    """Return a remark on folders below a path that are symbolic links, if there are some.

    `os.walk` does not search them: they may lead anywhere, or to a folder above.
    """
    names = [
        os.path.relpath(os.path.join(folder, name), path)
        for folder, below, _ in walk(path)
        for name in below
        if os.path.islink(os.path.join(folder, name))
    ]
    told = f"folders that are symbolic links, not searched: {len(names):,}, such as "
    return [told + min(names)] if names else []


def require_utf8(path: str) -> None:
    """Raise Fault PATH-NAME if a path has bytes that are not UTF-8, as a manifest must be."""
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = path.encode("utf-8", "backslashreplace").decode()
        reason = f"{shown}: a name on disk that is not UTF-8, which no manifest can hold"
        raise Fault("PATH-NAME", reason, "rename it") from None


def _existing(root: str, audio: str) -> tuple[str, tuple[str, ...]]:
    path = os.path.join(root, audio)
    if "\\" in audio and not os.path.lexists(path):  # a table that was written on Windows
        path = os.path.join(root, audio := audio.replace("\\", "/"))
    if os.path.lexists(path) or audio.isascii() or len(path) > MAX_PATH:
        return path, ()
    # An archive packed on a Mac holds names in NFD, while its table was typed in NFC, or by hand in
    # some of both.
    found = os.sep
    for name in path.split(os.sep):
        found = os.path.join(found, name)
        if not os.path.lexists(found):
            folder = os.path.dirname(found)
            found = os.path.join(folder, _spellings(folder).get(_composed(name), name))
    return (found, ("PATH-FORM",)) if os.path.lexists(found) else (path, ())


@lru_cache(maxsize=64)
def _spellings(folder: str) -> dict[str, str]:
    """Return the names of a folder's files on disk, by their NFC form."""
    try:
        return {_composed(name): name for name in os.listdir(folder) if not name.isascii()}
    except OSError:
        return {}


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


@lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    # Resolving asks the disk once for each part of a path; a corpus has few folders.
    return _resolved(folder)


def _resolved(path: str) -> str:
    """Return the real path; one that is too long to be opened is only normalized."""
    if len(path) > MAX_PATH:  # to resolve 100,000 parts takes seconds
        path = os.path.normpath(path)
    return path if len(path) > MAX_PATH else os.path.realpath(path)
