"""A folder of clips with metadata.csv (.tsv, .jsonl, .parquet) in it or in its split folders."""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.columns import ColumnSource, split_named
from mothertongue.data.sources.table import SUFFIXES, TableSource
from mothertongue.errors import Fault

NOT_READ = "tables that were not read: {}; name their folders train, dev or test, or point at one"


class AudioFolderSource(ColumnSource):
    """Hugging Face's AudioFolder. A folder named train, dev or test gives its clips that split."""

    examples = (
        {"metadata.csv": "file_name,transcription\na.wav,hi\n", "a.wav": ""},
        {
            "train/metadata.csv": "file_name,transcription\na.wav,hi\n",
            "train/a.wav": "",
            "dev/metadata.csv": "file_name,transcription\nb.wav,yo\n",
            "dev/b.wav": "",
        },
    )
    precedence = 10

    kind: Literal["audiofolder"] = "audiofolder"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """By the name of the metadata file."""
        return path.is_dir() and bool(metadata_files(path))

    def rows(self) -> Iterator[Row | Rejection]:
        tables = metadata_files(self.path)
        if not tables:
            reason = f"{self.path}: no metadata file; expected metadata{' or '.join(SUFFIXES)}"
            raise Fault("MAN-FORMAT", reason, "write one with the columns file_name and text")
        self._remarks[:] = unread_remarks(self.path, tables)
        for table in tables:
            folder = table.parent.relative_to(self.path).as_posix()
            source = TableSource(
                path=table,
                audio_root=self.audio_root,
                audio_column=self.audio_column,
                text_column=self.text_column,
            )
            for row in source.rows():
                yield row if isinstance(row, Rejection) else self._below(folder, row)

    def _below(self, folder: str, row: Row) -> Row:
        if row.audio is None:
            return row
        audio = posixpath.join(folder, row.audio) if folder != "." else row.audio
        # Tables have train\a.wav, written on Windows, and ./train/a.wav.
        first = posixpath.normpath(audio.replace("\\", "/")).split("/")[0]
        split = row.split or (first if split_named(first) else None)
        return replace(row, audio=row.audio if self.audio_root else audio, split=split)


def metadata_files(folder: Path) -> list[Path]:
    """The folder's own metadata file; else that of each of its split folders."""
    own = _metadata_of(folder)
    if own:
        return own
    splits = [path for path in sorted(folder.iterdir()) if path.is_dir() and split_named(path.name)]
    return [table for path in splits for table in _metadata_of(path)]


def unread_remarks(folder: Path, read: Sequence[Path]) -> list[str]:
    """Return a remark on metadata files in the folder's own folders that are not read, if any."""
    found = {path for suffix in SUFFIXES for path in folder.glob(f"*/metadata{suffix}")}
    names = sorted(path.relative_to(folder).as_posix() for path in found.difference(read))
    return [NOT_READ.format(", ".join(names))] if names else []


def _metadata_of(folder: Path) -> list[Path]:
    found = [folder / f"metadata{suffix}" for suffix in SUFFIXES]
    found = [path for path in found if path.is_file()]
    if len(found) > 1:
        reason = f"{folder}: {' and '.join(path.name for path in found)}; expected one of them"
        raise Fault("MAN-FORMAT", reason, "remove the others, or prepare one as a table")
    return found
