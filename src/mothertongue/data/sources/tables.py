"""Read a table in several files: train.csv and test.csv, or train-00000-of-00002.parquet."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mothertongue.data.audio_paths import linked_folder_remarks
from mothertongue.data.folders import walk
from mothertongue.data.sources.base import Rejection, Row, for_review
from mothertongue.data.sources.columns import (
    REQUIRED,
    ColumnSource,
    known_columns,
    split_in,
    split_named,
    splits_in_names,
)
from mothertongue.data.sources.table import SUFFIXES, TableSource, table_header
from mothertongue.errors import Fault

SUBMISSION = re.compile(r"sample_?submission", re.IGNORECASE)  # of a competition: it has no sounds
UNTOLD = (
    "{}: no column with texts, so its clips are no test split: they are in review.jsonl, for "
    "people to transcribe; if it has texts, name their column as in the other tables"
)


class TablesSource(ColumnSource):
    """A folder with the tables of one corpus. The names of tables or folders give the split."""

    examples = (
        {
            "train.csv": "audio,text\na.wav,hi\n",
            "test.csv": "audio,text\nb.wav,yo\n",
            "a.wav": "",
            "b.wav": "",
        },
        {
            "train.tsv": "audio\tsentence\na.wav\tmwashibukeni\n",
            "test.tsv": "audio\tsentence\nb.wav\tnatotela\n",
            "audio/a.wav": "",
            "audio/b.wav": "",
        },
        {
            "train.csv": "user_ids,audio_ids,audio_paths,transcript\nu,x,/Afri/train/u/a.wav,hi\n",
            "dev.csv": "user_ids,audio_ids,audio_paths,transcript\nv,y,/Afri/dev/v/b.wav,yo\n",
            "Afri/train/u/a.wav": "",
            "Afri/dev/v/b.wav": "",
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
        untold = [name for name in names if self._is_untold(name)]
        untold = untold if len(untold) < len(names) else []
        splits = splits_in_names([name for name in names if name not in untold])
        for name in names:
            source = TableSource(
                path=self.path / name,
                audio_root=self.audio_root,
                audio_column=self.audio_column,
                text_column=self.text_column,
                required=("audio",) if name in untold else REQUIRED,
            )
            folder = "" if self.audio_root else posixpath.dirname(name)
            for row in source.rows():
                below = row if isinstance(row, Rejection) else _below(row, folder, splits.get(name))
                yield for_review(below) if name in untold else below
        self._remarks += [UNTOLD.format(name) for name in untold]

    def _is_untold(self, name: str) -> bool:
        """Return whether a table is a test set whose texts are kept back: it has no such column."""
        if split_in(name) != "test":
            return False
        return "text" not in known_columns(table_header(self.path / name), self.chosen)


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
        tables = [name for name in tables if not SUBMISSION.match(name)]
        found += [(Path(folder).relative_to(path) / name).as_posix() for name in tables]
    return found


def _below(row: Row, folder: str, split: str | None) -> Row:
    """Return the row of a table in `folder`, with its paths relative to the root."""
    is_file = row.audio is not None and row.embedded is None
    audio = posixpath.join(folder, row.audio or "") if is_file else row.audio
    return replace(row, audio=audio, split=row.split or split)
