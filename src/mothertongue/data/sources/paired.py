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
from mothertongue.data.sources.base import Rejection, Row, Source, for_review, reject, to_row
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
        return any(stem in texts for _, sounds, texts in _folders(path) for stem, _ in sounds)

    def rows(self) -> Iterator[Row | Rejection]:
        self._remarks[:] = [*unread_remarks(self.path, ()), *linked_folder_remarks(self.path)]
        for folder, sounds, texts in _folders(self.path):
            for stem, name in sounds:
                yield self._row(folder / name, folder / texts[stem] if stem in texts else None)
            lonely = texts.keys() - {stem for stem, _ in sounds}
            for stem in sorted(lonely):
                if stem.lower() not in ABOUT:
                    reason = f"{folder / texts[stem]}: no sound of that name is beside it"
                    fault = Fault("AUD-MISSING", reason, "add the sound, or remove the text")
                    yield reject(f"{folder / texts[stem]}:1", {}, fault)

    def _row(self, sound: Path, text: Path | None) -> Row | Rejection:
        below = sound.relative_to(self.path)
        split = next(filter(split_named, below.parts[:-1]), None)
        fields: dict[str, object] = {"audio": below.as_posix(), "split": split}
        if text is None:
            return for_review(to_row(f"{sound}:1", fields))
        try:
            fields["text"] = self._read(text)
        except Fault as fault:
            return reject(f"{text}:1", fields, fault)
        return to_row(f"{text}:1", fields)

    def _read(self, text: Path) -> str:
        real = text.resolve()
        if not real.is_relative_to(self.path.resolve()):
            reason = f"{text} leads to {real}, outside of {self.path}"
            raise Fault("PATH-OUTSIDE", reason, "copy the text into the folder")
        lines = [line for _, line in read_lines(text)]
        if timed := next(filter(TIMES.search, lines), None):
            reason = f"{text}: {timed[:60]!r} has times; expected what was spoken, and nothing else"
            fix = "remove them; segments with times may be .eaf, .TextGrid, .srt or a table"
            raise Fault("MAN-FORMAT", reason, fix)
        return joined_texts(lines)


def _folders(path: Path) -> Iterator[tuple[Path, list[tuple[str, str]], dict[str, str]]]:
    """Yield (folder, (stem, name) of its sounds, the names of its texts by stem), in order."""
    for folder, _, names in walk(path):
        # One program writes names in NFC, another in NFD.
        parts = [(*os.path.splitext(name), name) for name in names]
        halves = [(normalize("NFC", stem), suffix, name) for stem, suffix, name in parts]
        sounds = [(stem, name) for stem, suffix, name in halves if suffix.lower() in SUFFIXES]
        texts = {stem: name for stem, suffix, name in halves if suffix.lower() == TEXT_SUFFIX}
        yield Path(folder), sounds, texts
