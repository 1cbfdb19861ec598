"""The content of every clip of a run: digest of its audio, sentence, speaker. No torch.

A run keeps them in data.jsonl, one a line, in the order of its manifests. Its data can then be held
against what is there later, and what it is scored on against what it was trained on.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

from mothertongue.data.manifest import PREPARE, Split, Utterance
from mothertongue.data.text_cleaning import sentence_key
from mothertongue.errors import DataError
from mothertongue.system.files import sha256_file, write_json_lines
from mothertongue.system.json_files import read_json_lines

KNOWN_FILES = 1 << 18  # of 300 bytes each: 80 MB at most
NUM_NAMED = 5


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """An utterance and its audio file's size in bytes, time in ns and SHA-256."""

    id: str
    split: Split
    audio: str
    """An absolute path."""
    start_s: float
    duration_s: float
    size: int
    mtime_ns: int
    sentence: str
    """16 hexadecimal digits, equal for the same words; empty where there are none."""
    speaker: str | None
    sha256: str | None = None
    """None until somebody asks for `content`."""

    def content(self) -> str:
        """Return the SHA-256 of the whole audio file."""
        return self.sha256 or _sha256(self.audio, self.size, self.mtime_ns)


def facts_of(utterances: Sequence[Utterance]) -> list[ClipFacts]:
    """Return the facts of utterances with absolute audio paths; no file is read yet.

    Raises DataError naming audio that is not there.
    """
    paths = dict.fromkeys(each.audio for each in utterances)
    places = {path: found for path in paths if (found := size_and_time(path)) is not None}
    if missing := [path for path in paths if path not in places]:
        raise DataError(
            f"{len(missing)} of {len(paths)} audio files are not there, such as {missing[0]}; put "
            f"them back, or write the manifest again with: {PREPARE}"
        )
    return [
        ClipFacts(
            *(each.id, each.split, each.audio, each.start_s or 0.0, each.duration_s),
            *places[each.audio],
            _hashed(sentence_key(each.text)),
            each.speaker,
        )
        for each in utterances
    ]


def write_facts(path: Path, facts: Sequence[ClipFacts]) -> None:
    """Write facts, each with its audio's SHA-256, whole or not at all; reads every audio file."""
    write_json_lines(path, (asdict(replace(each, sha256=each.content())) for each in facts))


def read_facts(path: Path) -> list[ClipFacts]:
    """Read what `write_facts` wrote. Raises DataError where it is not there, or damaged."""
    if not path.is_file():
        raise DataError(
            f"{path.parent}: no {path.name}; the run is of an earlier version, which did not write "
            "down its clips. Train it again: give another --out, or remove the folder"
        )
    remedy = "restore it, or train the run again in another --out"
    return [each for _, each in read_json_lines(path, ClipFacts, remedy)]


def audio_digest(facts: Sequence[ClipFacts]) -> str:
    """Return the SHA-256 over the content of every clip's audio file, in order."""
    digest = hashlib.sha256()
    for each in facts:
        digest.update(each.content().encode())
    return digest.hexdigest()


def changed_audio(before: Sequence[ClipFacts], now: Sequence[ClipFacts]) -> Iterator[str]:
    """Yield the audio files of `now` whose content differs from `before`, clip by clip.

    Files of the same size and time are taken for the same; others are read.
    """
    seen = set()
    for old, new in zip(before, now, strict=True):
        if new.audio in seen or (old.size, old.mtime_ns) == (new.size, new.mtime_ns):
            continue
        seen.add(new.audio)
        if old.size != new.size or old.content() != new.content():
            yield new.audio


def size_and_time(path: str | Path) -> tuple[int, int] | None:
    """Return the size of a file, and its time in ns; None if it is no file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


@lru_cache(maxsize=KNOWN_FILES)
def _sha256(path: str, size: int, mtime_ns: int) -> str:
    # Size and time are part of the key: a file that changes meanwhile is read again.
    return sha256_file(Path(path))


def _hashed(sentence: str) -> str:
    if not sentence:
        return ""
    return hashlib.blake2b(sentence.encode(), digest_size=8).hexdigest()
