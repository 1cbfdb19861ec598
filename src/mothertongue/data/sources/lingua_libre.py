"""Read Lingua Libre: sounds of words, such as `LL-Q7930 (mlg)-Anna-trano.wav`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from mothertongue.data.audio_paths import linked_folder_remarks
from mothertongue.data.sources.base import Rejection, Row, Source, for_review, to_row
from mothertongue.data.sources.paired import folders_of

NAME = re.compile(r"LL-Q\d+[ _]\(([a-z]{2,3})\)-(.+-.+)")
NO_LANGUAGE = ("mis", "mul", "und")  # ISO 639-3's codes for other, several and unknown languages
UNCLEAR = (
    "names with several hyphens, of which it is not clear where the speaker ends, for review: {:,}"
)


class LinguaLibreSource(Source):
    """A folder of sounds whose names say the language, the speaker and the word.

    A speaker and a word may have hyphens. If a name has several, it is split behind the one speaker
    whose other sounds have one; if there is none, the sound is for review.
    """

    examples = (
        {
            "LL-Q7930 (mlg)-Anna-trano.wav": "",
            "mg/LL-Q7930_(mlg)-Anna-mora-mora.wav": "",
            "about.json": "{}",
        },
    )
    precedence = 98  # behind tables and texts that say more

    kind: Literal["lingua_libre"] = "lingua_libre"
    path: Path
    """The folder; its subfolders are searched too."""

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize the corpus by the name of a sound."""
        return any(NAME.fullmatch(file.stem) for file in _sounds(path))

    def rows(self) -> Iterator[Row | Rejection]:
        found = [NAME.fullmatch(file.stem) for file in _sounds(self.path)]
        speakers = {said[2].split("-")[0] for said in found if said and said[2].count("-") == 1}
        num_unclear = 0
        for file in _sounds(self.path):
            fields = {"audio": file.relative_to(self.path).as_posix()}
            said = NAME.fullmatch(file.stem)
            halves = _halves(said[2], speakers) if said else []
            if said and len(halves) == 1:
                speaker, word = (half.replace("_", " ") for half in halves[0])
                language = None if said[1] in NO_LANGUAGE else said[1]
                known = {"speaker": speaker, "text": word, "language": language}
                yield to_row(f"{file}:1", fields | known)
            else:
                num_unclear += said is not None
                yield for_review(to_row(f"{file}:1", fields))
        self._remarks[:] = linked_folder_remarks(self.path)
        self._remarks += [UNCLEAR.format(num_unclear)] if num_unclear else []


def _sounds(path: Path) -> Iterator[Path]:
    return (folder / name for folder, sounds, _ in folders_of(path) for _, name in sounds)


def _halves(text: str, speakers: set[str]) -> list[tuple[str, str]]:
    """Return the ways to split a text at a hyphen; of several ways, those with a known speaker."""
    parts = text.split("-")
    ways = [("-".join(parts[:at]), "-".join(parts[at:])) for at in range(1, len(parts))]
    return ways if len(ways) == 1 else [way for way in ways if way[0] in speakers]
