"""Write the audio inside a table as files, because a manifest names files."""

import hashlib
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mothertongue.data.audio.headers import SUFFIXES
from mothertongue.data.sources.base import Rejection, Row
from mothertongue.system.files import TEMPORARY, beside, sweep, sync_tree

AUDIO_FOLDER = "audio"
# A clip without a name is an array that `datasets` encoded, which it does as WAV.
DEFAULT_SUFFIX = ".wav"
RESERVED = frozenset('<>:"|?* ')
MAX_STEM_BYTES = 180  # of the 255 that a name may have; a hash and the suffix follow


def stored(rows: Iterator[Row | Rejection], folder: Path) -> Iterator[Row | Rejection]:
    """Yield the rows; embedded audio is written below `folder`, and its path is relative to it.

    One clip is in memory at a time. What is there already with the same content is not written
    again, and nothing is ever written over: other content of the same name gets its hash into its
    name. So the same rows have the same names whenever they are stored again.
    """
    home: Path | None = None
    for row in rows:
        if isinstance(row, Row) and row.embedded is not None:
            home = home or _opened(folder)
            name = _store(home, _file_name(row.audio, row.embedded), row.embedded)
            row = replace(row, audio=name, embedded=None, home=home)
        yield row
    if home is not None:
        sync_tree(home)


def _opened(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    return folder.resolve()


def _store(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    if os.path.lexists(path) and not _holds(path, content):
        path = path.with_name(f"{path.stem}-{_hashed(content)}{path.suffix}")
    if not _holds(path, content):
        temporary = beside(path, TEMPORARY)
        temporary.write_bytes(content)
        temporary.replace(path)
    return path.name


def _holds(path: Path, content: bytes) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != len(content):
        return False
    return path.read_bytes() == content


def _file_name(name: str | None, content: bytes) -> str:
    """Return a plain file name like that of the clip; its hash if it had none."""
    last = (name or "").replace("\\", "/").rsplit("/", 1)[-1]
    safe = "".join(_safe(char) for char in unicodedata.normalize("NFC", last)).lstrip(".-")
    stem, suffix = os.path.splitext(safe)
    if suffix.lower() not in SUFFIXES:
        stem, suffix = safe, DEFAULT_SUFFIX
    short = stem.encode()[:MAX_STEM_BYTES].decode(errors="ignore")
    return f"{short or _hashed(content)}{suffix}"


def _safe(char: str) -> str:
    return char if char.isprintable() and char not in RESERVED else "_"


def _hashed(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()
