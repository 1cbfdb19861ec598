"""Read sounds that each have a text file of the same name beside them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from unicodedata import normalize

from mothertongue.data.audio.headers import SUFFIXES
from mothertongue.data.audio_paths import linked_folder_remarks
from mothertongue.data.folders import walk
from mothertongue.data.scripts import joined_texts
from mothertongue.data.sources.audiofolder import unread_remarks
from mothertongue.data.sources.base import (
    Record,
    Rejection,
    Row,
    Source,
    for_review,
    reject,
    to_row,
)
from mothertongue.data.sources.columns import split_named
from mothertongue.data.sources.readers import read_lines
from mothertongue.errors import Fault

TEXT_SUFFIX = ".txt"
# Text files that describe a corpus, not one sound.
ABOUT = frozenset({"changelog", "citation", "copying", "licence", "license", "notes", "readme"})

# Two times between tabs, as ELAN exports them; the first and last sample, as in TIMIT.
TIMES = re.compile(r"(?:^|\t)\d[\d:.,]*\t\d[\d:.,]*(?:\t|$)|^0 \d{4,} \S")


class PairedSource(Source):
    """a.wav with a.txt, in any folders. A folder named train, dev or test gives its clips a split.

    A sound without a text is for review.
    """

    examples = (
        {"a.wav": "", "a.txt": "habari\n"},
        {
            "train/mama/a.wav": "",
            "train/mama/a.txt": "habari\n",
            "test/b.wav": "",
            "test/b.txt": "asante\n",
        },
    )
    precedence = 95

    kind: Literal["paired"] = "paired"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize the corpus by one sound with its text."""
        return any(stem in texts for _, sounds, texts in folders_of(path) for stem, _ in sounds)

    def rows(self) -> Iterator[Row | Rejection]:
        self._remarks[:] = [*unread_remarks(self.path, ()), *linked_folder_remarks(self.path)]
        for folder, sounds, texts in folders_of(self.path):
            for stem, name in sounds:
                yield self._row(folder / name, folder / texts[stem] if stem in texts else None)
            lonely = texts.keys() - {stem for stem, _ in sounds}
            for stem in sorted(lonely):
                if stem.lower() not in ABOUT:
                    yield without_sound(folder / texts[stem])

    def _row(self, sound: Path, text: Path | None) -> Row | Rejection:
        folders = sound.relative_to(self.path).parts[:-1]
        split = next(filter(split_named, folders), None)
        return paired_row(self.path, sound, text, {"split": split})


def paired_row(corpus: Path, sound: Path, text: Path | None, known: Record) -> Row | Rejection:
    """Return the row of a sound and its text file, with what else is known; without a text, the
    sound is for review."""
    fields = {**known, "audio": sound.relative_to(corpus).as_posix()}
    if text is None:
        return for_review(to_row(f"{sound}:1", fields))
    try:
        return to_row(f"{text}:1", {**fields, "text": _read(text, corpus)})
    except Fault as fault:
        return reject(f"{text}:1", fields, fault)


def without_sound(text: Path) -> Rejection:
    """Return the rejection of a text file that no sound is for."""
    reason = f"{text}: no sound of that name is beside it"
    fault = Fault("AUD-MISSING", reason, "add the sound, or remove the text")
    return reject(f"{text}:1", {}, fault)


def _read(text: Path, corpus: Path) -> str:
    real = text.resolve()
    if not real.is_relative_to(corpus.resolve()):
        reason = f"{text} leads to {real}, outside of {corpus}"
        raise Fault("PATH-OUTSIDE", reason, "copy the text into the folder")
    lines = [line for _, line in read_lines(text)]
    if timed := next(filter(TIMES.search, lines), None):
        reason = f"{text}: {timed[:60]!r} has times; expected what was spoken, and nothing else"
        fix = "remove them; segments with times may be .eaf, .TextGrid, .srt or a table"
        raise Fault("MAN-FORMAT", reason, fix)
    return joined_texts(lines)


def folders_of(path: Path) -> Iterator[tuple[Path, list[tuple[str, str]], dict[str, str]]]:
    """Yield (folder, (stem, name) of its sounds, the names of its texts by stem), in order."""
    for folder, _, names in walk(path):
        # One program writes names in NFC, another in NFD.
        parts = [(*os.path.splitext(name), name) for name in names]
        halves = [(normalize("NFC", stem), suffix, name) for stem, suffix, name in parts]
        sounds = [(stem, name) for stem, suffix, name in halves if suffix.lower() in SUFFIXES]
        texts = {stem: name for stem, suffix, name in halves if suffix.lower() == TEXT_SUFFIX}
        yield Path(folder), sounds, texts
