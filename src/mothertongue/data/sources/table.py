"""A table of clips: CSV, TSV, JSONL or Parquet, its columns found by name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

from mothertongue.data.folders import shown
from mothertongue.data.sources.base import Rejection, Row, reject, to_row
from mothertongue.data.sources.columns import (
    REQUIRED,
    ColumnSource,
    find_columns,
    known_columns,
    renamed,
    with_end,
)
from mothertongue.data.sources.parquet import embedded_column, read_parquet, read_parquet_header
from mothertongue.data.sources.places import Places
from mothertongue.data.sources.readers import (
    Located,
    is_utf16,
    read_delimited,
    read_header,
    read_jsonl,
    sniff_delimiter,
)
from mothertongue.errors import Fault

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
PLACES = ("{id}", "audio/{id}", "clips/{id}", "wavs/{id}", "wav/{id}")


class TableSource(ColumnSource):
    """One file with a row for each clip. Quotes count in CSV, and are plain characters in TSV.

    They count in TSV that is UTF-16, because Excel writes it so. A sound that is not where its row
    says may be in a folder beside the table, such as `audio`, or have a path with a `/` too many.
    The audio column of a Parquet file may hold the audio itself, as the Hub writes it.
    """

    examples = (
        {"corpus.csv": "audio,text\na.wav,hi\n", "notes.txt": "", "a.wav": ""},
        {"corpus.jsonl": '{"audio": "a.wav", "sentence": "hi"}\n', "a.wav": ""},
    )
    precedence = 90

    kind: Literal["table"] = "table"
    required: tuple[str, ...] = REQUIRED
    """The fields that must have a column."""

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """By the suffix; a folder by the only table in it."""
        return _only_table(path) is not None

    @classmethod
    def at(cls, path: Path, settings: Mapping[str, Any]) -> Self:
        """The table itself, or the only one in a folder."""
        return cls(path=_only_table(path) or path, **settings)

    def rows(self) -> Iterator[Row | Rejection]:
        header = tuple(table_header(self.path))
        records = self._records(find_columns(header, self.path, self.chosen, self.required))
        places = Places(self.root, "", PLACES)
        for row in table_rows(self.path, header, records, self.chosen, self.required):
            if isinstance(row, Row) and row.audio and row.embedded is None:
                row = replace(row, audio=_found(places, row.audio))
            yield row

    def _records(self, columns: dict[str, str]) -> Iterator[Located | Rejection]:
        suffix = self.path.suffix.lower()
        if suffix == ".parquet":
            return read_parquet(self.path, list(columns.values()))
        if suffix in (".jsonl", ".ndjson"):
            return read_jsonl(self.path)
        has_quotes = suffix != ".tsv" or is_utf16(self.path)
        return read_delimited(self.path, sniff_delimiter(self.path), has_quotes)


def table_rows(
    path: Path,
    header: tuple[str, ...],
    records: Iterator[Located | Rejection],
    chosen: Mapping[str, str | None],
    required: Sequence[str] = REQUIRED,
) -> Iterator[Row | Rejection]:
    """The rows of a table's records. Raises Fault MAN-COLUMN as `find_columns` does."""
    # By record: objects of a JSONL table may have keys that its first one lacks.
    columns = {header: find_columns(header, path, chosen, required)}
    for item in records:
        if isinstance(item, Rejection):
            yield item
            continue
        where, record = item
        keys = tuple(record)
        if keys not in columns:
            columns = {keys: known_columns(keys, chosen)}
        fields = renamed(record, columns[keys])
        fields["embedded"] = record.get(embedded_column(columns[keys].get("audio", "")))
        try:
            yield to_row(where, with_end(fields))
        except Fault as fault:
            yield reject(where, fields, fault)


def _found(places: Places, audio: str) -> str:
    """Return the path of a sound. AfriSpeech has /train/a.wav for train/a.wav of its folder."""
    return places.find(audio) or places.find(audio.lstrip("/")) or audio


def _only_table(path: Path) -> Path | None:
    if path.is_dir():
        tables = [file for file in shown(path) if file.suffix.lower() in SUFFIXES]
        return tables[0] if len(tables) == 1 else None
    return path if path.is_file() and path.suffix.lower() in SUFFIXES else None


def table_header(path: Path) -> list[str]:
    """The column names of a table; of JSONL, the keys of its first object.

    Raises Fault MAN-FORMAT for a missing file or another kind of file.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES or not path.is_file():
        reason = f"{path}: {'not a table' if path.exists() else 'no such file'}"
        raise Fault("MAN-FORMAT", f"{reason}; expected {', '.join(SUFFIXES)}", "check the path")
    if suffix == ".parquet":
        return read_parquet_header(path)
    if suffix in (".jsonl", ".ndjson"):
        return next((list(item[1]) for item in read_jsonl(path) if isinstance(item, tuple)), [])
    return read_header(path)
