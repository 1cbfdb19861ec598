"""Read NeMo's manifests: JSON lines of audio_filepath, text, duration, offset, named .json."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mothertongue.data.folders import shown
from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.columns import ColumnSource, splits_in_names
from mothertongue.data.sources.readers import first_object, read_jsonl, unread_remarks
from mothertongue.data.sources.table import table_rows

SUFFIXES = (".json", ".jsonl")


class NemoSource(ColumnSource):
    """A manifest, or a folder of them, such as train_manifest.json: the name gives the split."""

    examples = (
        {
            "train_manifest.json": '{"audio_filepath": "wav/a.wav", "text": "hi", "duration": 1}\n',
            "dev_manifest.json": '{"audio_filepath": "wav/b.wav", "text": "yo", "offset": 0.5, '
            '"duration": 0.5}\n',
            "wav/a.wav": "",
            "wav/b.wav": "",
        },
    )
    precedence = 40

    kind: Literal["nemo"] = "nemo"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize it by audio_filepath on the first line. A single .jsonl file is a table."""
        return bool(_manifests(path)) and not (path.is_file() and path.suffix == ".jsonl")

    def rows(self) -> Iterator[Row | Rejection]:
        manifests = _manifests(self.path)
        self._remarks[:] = unread_remarks(_files(self.path))
        splits = splits_in_names([manifest.stem for manifest in manifests])
        for manifest in manifests:
            keys = tuple(first_object(manifest))
            for row in table_rows(manifest, keys, read_jsonl(manifest), self.chosen):
                if isinstance(row, Row) and row.split is None:
                    row = replace(row, split=splits[manifest.stem])
                yield row


def _manifests(path: Path) -> list[Path]:
    return [file for file in _files(path) if "audio_filepath" in first_object(file)]


def _files(path: Path) -> list[Path]:
    files = shown(path) if path.is_dir() else [path]
    return [file for file in files if file.suffix in SUFFIXES and file.is_file()]
