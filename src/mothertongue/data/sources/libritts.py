"""Read LibriTTS and LibriTTS-R: SPEAKER/CHAPTER/ID.wav with ID.normalized.txt and ID.original.txt.

An id is SPEAKER_CHAPTER_PARAGRAPH_SENTENCE.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Literal

from mothertongue.data.audio_paths import linked_folder_remarks
from mothertongue.data.sources.base import Rejection, Row, Source
from mothertongue.data.sources.columns import splits_in_names
from mothertongue.data.sources.paired import folders_of, paired_row, without_sound

NORMALIZED = ".normalized"
TEXTS = f"*_*_*_*{NORMALIZED}.txt"


class LibriTtsSource(Source):
    """The folders of the splits, such as `train-clean-100`, or one of them.

    The text is the normalized one. A sound without it is for review.
    """

    examples = (
        {
            "train-clean-100/1/2/1_2_000000_000001.normalized.txt": "Mwaka elfu moja.\n",
            "train-clean-100/1/2/1_2_000000_000001.original.txt": "Mwaka 1000.\n",
            "train-clean-100/1/2/1_2_000000_000001.wav": "",
            "test-clean/3/4/3_4_000000_000001.normalized.txt": "Asante.\n",
            "test-clean/3/4/3_4_000000_000001.wav": "",
            "speakers.tsv": "READER\tGENDER\tSUBSET\tNAME\n1\tF\ttrain-clean-100\tAnna\n",
        },
    )
    precedence = 9  # before the layouts that take speakers.tsv for a table

    kind: Literal["libritts"] = "libritts"
    path: Path
    """The folder of the splits, or of the speakers of one."""

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize the corpus by a text file in a folder of a chapter."""
        found = chain(path.glob(f"*/*/{TEXTS}"), path.glob(f"*/*/*/{TEXTS}"))
        return next(found, None) is not None

    def rows(self) -> Iterator[Row | Rejection]:
        self._remarks[:] = linked_folder_remarks(self.path)
        splits = splits_in_names([each.name for each in self.path.iterdir() if each.is_dir()])
        for folder, sounds, texts in folders_of(self.path):
            top = (*folder.relative_to(self.path).parts, "")[0]
            for stem, name in sounds:
                text = texts.pop(f"{stem}{NORMALIZED}", None)
                known = {"speaker": stem.partition("_")[0], "split": splits.get(top)}
                yield paired_row(self.path, folder / name, folder / text if text else None, known)
            for stem in sorted(texts):
                if stem.endswith(NORMALIZED):
                    yield without_sound(folder / texts[stem])
