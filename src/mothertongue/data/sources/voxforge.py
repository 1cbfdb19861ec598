"""Read VoxForge: SPEAKER-DATE-xxx/etc/prompts-original or PROMPTS, and wav/ or flac/ beside etc/.

Lines are `a0001 Text.` in prompts-original, and `ANY/PATH/a0001 TEXT` in PROMPTS.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from mothertongue.data.audio.headers import SUFFIXES
from mothertongue.data.sources.base import Rejection, Row, Source, for_review, reject, to_row
from mothertongue.data.sources.readers import read_lines
from mothertongue.errors import Fault

PROMPTS = ("prompts-original", "PROMPTS")  # PROMPTS is in upper case, without punctuation
SOUNDS = ("wav", "flac")
NAMED = re.compile(r"(?!anonymous)(.+)-\d{8}-")


class VoxForgeSource(Source):
    """Submissions of speakers, or one of them.

    Each submission of an anonymous speaker counts as one person. A sound without a prompt is for
    review.
    """

    examples = (
        {
            "anna-20080425-abc/etc/PROMPTS": "anna-20080425-abc/mfc/a0001 HABARI YAKO\n",
            "anna-20080425-abc/wav/a0001.wav": "",
            "anonymous-20090101-xyz/etc/prompts-original": "a0001 Asante, ndugu.\n",
            "anonymous-20090101-xyz/flac/a0001.flac": "",
        },
    )

    kind: Literal["voxforge"] = "voxforge"
    path: Path
    """The folder of the submissions, or one submission."""

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize a submission by its prompts beside a folder of sounds."""
        return bool(_submissions(path))

    def rows(self) -> Iterator[Row | Rejection]:
        submissions = _submissions(self.path)
        if not submissions:
            reason = f"{self.path}: no submission; expected SPEAKER-DATE-xxx/etc/{PROMPTS[1]}"
            raise Fault("MAN-FORMAT", reason, "check the path")
        for folder in submissions:
            yield from self._rows(folder)

    def _rows(self, folder: Path) -> Iterator[Row | Rejection]:
        name = folder.resolve().name
        named = NAMED.match(name)
        below = folder.relative_to(self.path)
        sounds = {file.stem: (below / file.parent.name / file.name) for file in _sounds(folder)}
        known = {"speaker": named[1] if named else name}
        prompts = _prompts(folder)
        try:
            lines = [(where, *_halves(line)) for where, line in read_lines(prompts)]
        except Fault as fault:  # a prompt of another encoding costs the submission, not the corpus
            for sound in sounds.values():
                yield reject(str(prompts), known | {"audio": sound.as_posix()}, fault)
            return
        for where, stem, text in lines:
            sound = sounds.pop(stem, below / SOUNDS[0] / f"{stem}.wav")
            yield to_row(where, known | {"audio": sound.as_posix(), "text": text})
        for sound in sounds.values():
            row = to_row(str(prompts), known | {"audio": sound.as_posix()})
            yield for_review(row)


def _submissions(path: Path) -> list[Path]:
    below = sorted(each.parent for each in path.glob("*/etc"))
    folders = [path, *(each for each in below if each.name[0] != ".")]
    return [each for each in folders if _prompts(each).is_file() and _folders(each)]


def _prompts(folder: Path) -> Path:
    files = [folder / "etc" / name for name in PROMPTS]
    return next((file for file in files if file.is_file()), files[-1])


def _folders(folder: Path) -> list[Path]:
    return [each for name in SOUNDS if (each := folder / name).is_dir()]


def _sounds(folder: Path) -> list[Path]:
    found = [file for each in _folders(folder) for file in sorted(each.iterdir())]
    return [file for file in found if file.name[0] != "." and file.suffix.lower() in SUFFIXES]


def _halves(line: str) -> tuple[str, str]:
    """Return the stem of the sound and the text of a line."""
    name, *text = line.strip().split(maxsplit=1)
    return name.rpartition("/")[2], "".join(text)
