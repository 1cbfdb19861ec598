"""Read a table in several files: train.csv and test.csv, or train-00000-of-00002.parquet."""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mothertongue.data.audio_paths import linked_folder_remarks
from mothertongue.data.folders import walk
from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.columns import ColumnSource, split_named, splits_in_names
from mothertongue.data.sources.table import SUFFIXES, TableSource
from mothertongue.errors import Fault


class TablesSource(ColumnSource):
    """A folder with the tables of one corpus. The names of tables or folders give the split."""

    examples = (
        {
            "train.csv": "audio,text\na.wav,hi\n",
            "test.csv": "audio,text\nb.wav,yo\n",
            "a.wav": "",
            "b.wav": "",
        },
    )
    precedence = 80

    kind: Literal["tables"] = "tables"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize tables that are all named for splits, or Parquet files: parts of one table."""
        names = _tables(path)
        splits = splits_in_names(names).values()
        is_split = None not in splits and bool(names)
        # A single file at the top is a table: no parts must be found.
        return is_split or (is_parquet(names) and (len(names) > 1 or "/" in names[0]))

    def rows(self) -> Iterator[Row | Rejection]:
        names = _tables(self.path)
        self._remarks[:] = linked_folder_remarks(self.path)
        if len(corpora := corpora_of(names)) > 1:
            reason = f"{self.path}: tables of several corpora: {', '.join(corpora)}"
            raise Fault("MAN-FORMAT", reason, "point at one of these folders")
        splits = splits_in_names(names)
        for name in names:
            source = TableSource(
                path=self.path / name, audio_column=self.audio_column, text_column=self.text_column
            )
            folder = "" if self.audio_root else posixpath.dirname(name)
            for row in source.rows():
                yield row if isinstance(row, Rejection) else _below(row, folder, splits[name])


def is_parquet(names: Sequence[str]) -> bool:
    """Return whether there are files, and all are Parquet."""
    return bool(names) and all(name.endswith(".parquet") for name in names)


def corpora_of(names: Sequence[str]) -> list[str]:
    """Return the folders of files, without those of splits: on the Hub, one per configuration."""
    folders = (name.split("/")[:-1] for name in names)
    kept = ([part for part in parts if not _is_split(part)] for parts in folders)
    return sorted({"/".join(parts) or "." for parts in kept})


def _is_split(folder: str) -> bool:
    # The Hub's own conversion to Parquet stops at 5 GB, and then gives the folder this name.
    return split_named(folder.removeprefix("partial-")) is not None


def _tables(path: Path) -> list[str]:
    """Return the tables in a folder and below, by their paths in it."""
    found: list[str] = []
    for folder, _, names in walk(path):
        tables = [name for name in names if name.lower().endswith(SUFFIXES)]
        found += [(Path(folder).relative_to(path) / name).as_posix() for name in tables]
    return found


def _below(row: Row, folder: str, split: str | None) -> Row:
    """Return the row of a table in `folder`, with its paths relative to the root."""
    is_file = row.audio is not None and row.embedded is None
    audio = posixpath.join(folder, row.audio or "") if is_file else row.audio
    return replace(row, audio=audio, split=row.split or split)
