"""Common Voice as published: train, dev, test and validated tsv files, and clips/."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from mothertongue.data.sources.base import Rejection, Row, Source, to_row
from mothertongue.data.sources.columns import find_columns, renamed
from mothertongue.data.sources.readers import read_delimited, read_header
from mothertongue.errors import Fault

SPLITS = ("train", "dev", "test")


class CommonVoiceSource(Source):
    """One language folder of a Common Voice release, such as `cv-corpus-21.0-2025-03-14/sw`."""

    examples = (
        {
            "train.tsv": "client_id\tpath\tsentence\tlocale\ns1\ta.mp3\tNdiyo\tsw\n",
            "dev.tsv": "client_id\tpath\tsentence\tlocale\ns2\tb.mp3\tHapana\tsw\n",
            "clips/a.mp3": "",
            "clips/b.mp3": "",
        },
    )
    precedence = 20

    kind: Literal["common_voice"] = "common_voice"
    path: Path
    """The language folder."""
    clips: Literal["splits", "validated"] = "splits"
    """`splits`: the published train, dev and test, which keep one clip for each sentence.
    `validated`: every clip that listeners confirmed; we then split it by speaker and sentence."""

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """By clips/ beside a table with client_id."""
        return bool(_tables(path))

    @classmethod
    def at(cls, path: Path, settings: Mapping[str, Any]) -> Self:
        """Its published splits, or where there are none, what listeners validated."""
        has_splits = bool(_tables(path) & set(SPLITS))
        return cls(path=path, **{"clips": "splits" if has_splits else "validated", **settings})

    @property
    def root(self) -> Path:
        return self.path

    def rows(self) -> Iterator[Row | Rejection]:
        for table in self._tables():
            columns = find_columns(read_header(table, "\t"), table, {})
            # Transcripts hold unbalanced quotes: they are plain characters here.
            for item in read_delimited(table, "\t", has_quotes=False):
                if isinstance(item, Rejection):
                    yield item
                else:
                    where, record = item
                    yield to_row(where, self._fields(table.stem, renamed(record, columns)))

    def _tables(self) -> list[Path]:
        names = SPLITS if self.clips == "splits" else ("validated",)
        tables = [self.path / f"{name}.tsv" for name in names]
        found = [table for table in tables if table.is_file()]
        if not found:
            reason = f"{self.path}: none of {', '.join(table.name for table in tables)}"
            raise Fault("MAN-FORMAT", reason, "set clips to splits or validated, as there is")
        return found

    def _fields(self, stem: str, record: dict[str, object]) -> dict[str, object]:
        if record["audio"]:
            record["audio"] = f"clips/{record['audio']}"
        return record | {"split": stem if self.clips == "splits" else None}


def _tables(path: Path) -> set[str]:
    """The names of the release's tables in a language folder; none where it is no such folder."""
    if not (path / "clips").is_dir():
        return set()
    tables = [file for file in sorted(path.glob("*.tsv")) if file.is_file()]
    names = {table.stem for table in tables if "client_id" in read_header(table, "\t")}
    return names & {*SPLITS, "validated"}
