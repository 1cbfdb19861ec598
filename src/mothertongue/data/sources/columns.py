"""Columns of a table and the fields that they hold, by the names that corpora use."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import ClassVar

from mothertongue.data.manifest import Split, duration_tolerance_s
from mothertongue.data.sources.base import ROOT_OPTIONS, Record, Source, as_number, as_seconds
from mothertongue.data.sources.readers import shown_names
from mothertongue.errors import Fault

SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "eval": "validation",
    "test": "test",
    "testing": "test",
    "tst": "test",
}

# In each, the first that is there wins. The order of the text columns is the Open ASR
# Leaderboard's; a corpus with both spellings has its plain text under the shorter name.
COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "audio": (
        *("audio", "file_name", "path", "audio_filepath", "audio_path", "audio_file", "wav"),
        *("filename", "audio_filename", "wav_filename", "wav_path", "file_path", "file"),
        "audio_paths",
    ),
    "text": (
        *("text", "sentence", "transcription", "raw_transcription", "transcript", "raw_text"),
        *("verbatim", "normalized_text", "normalized", "label"),
    ),
    "id": ("id",),
    "language": ("language", "lang", "locale"),
    "speaker": ("speaker", "client_id", "speaker_id", "user_ids"),
    "split": ("split",),
    "license": ("license",),
    "start_s": ("start_s", "start", "start_time", "begin", "offset"),
    "end_s": ("end_s", "end", "end_time"),
    "duration_s": ("duration_s", "duration"),
    "start_ms": ("start_ms",),
    "end_ms": ("end_ms",),
    "duration_ms": ("duration_ms", "duration[ms]"),
}
REQUIRED = ("audio", "text")
NUM_COMPARED = 1000  # columns that are compared with a name which is missing


class ColumnSource(Source):
    """A corpus whose columns, or keys, are found by name."""

    options: ClassVar[Mapping[str, str]] = {
        "--audio-column": "audio_column",
        "--text-column": "text_column",
    } | ROOT_OPTIONS

    audio_column: str | None = None
    """The column with audio, or its key; by default found by name."""
    text_column: str | None = None
    """The column with transcripts, or its key; by default found by name."""

    @property
    def chosen(self) -> dict[str, str | None]:
        """Return the given columns by our names of the fields."""
        return {"audio": self.audio_column, "text": self.text_column}


def find_columns(
    found: Sequence[str],
    path: Path,
    chosen: Mapping[str, str | None],
    required: Sequence[str] = REQUIRED,
) -> dict[str, str]:
    """Map our field names to the table's columns. `chosen` overrides the guess for a field.

    Raises Fault MAN-COLUMN when a column appears twice, or a required or chosen one is missing.
    """
    columns = known_columns(found, chosen)
    for field in required:
        if field not in columns:
            raise _missing(field, found, path, chosen.get(field))
    # Excel writes columns without a name behind the last one.
    twice = sorted(name for name, count in Counter(found).items() if name.strip() and count > 1)
    if twice:
        raise Fault(
            "MAN-COLUMN", f"{path}: column {twice[0]!r} appears twice", "rename or remove one"
        )
    return columns


def known_columns(found: Sequence[str], chosen: Mapping[str, str | None]) -> dict[str, str]:
    """Map field names to columns without errors: a field that has no column is left out."""
    columns = {field: _column(field, found, chosen.get(field)) for field in COLUMN_NAMES}
    return {field: column for field, column in columns.items() if column is not None}


def renamed(record: Record, columns: Mapping[str, str]) -> dict[str, object]:
    """A table's record under our field names, milliseconds turned into seconds."""
    fields = {field: record.get(column) for field, column in columns.items()}
    for name in ("start", "end", "duration"):
        if f"{name}_ms" in fields:
            fields.setdefault(f"{name}_s", _in_seconds(fields[f"{name}_ms"]))
    return fields


def with_end(fields: Record) -> Record:
    """Return the fields with the duration up to the end, if they have one.

    Raises Fault MAN-SEGMENT if no start is before it, or the fields have another duration; MAN-TYPE
    if a time is no number.
    """
    start_s, end_s, duration_s = (
        as_seconds(name, fields.get(name)) for name in ("start_s", "end_s", "duration_s")
    )
    if end_s is None:
        return fields
    if start_s is None or start_s >= end_s:
        start = "no start" if start_s is None else f"a start at {start_s:g} s"
        reason = f"{start} and an end at {end_s:g} s; expected a start before the end"
        raise Fault("MAN-SEGMENT", reason, "correct the row; expected columns start and end")
    length_s = round(end_s - start_s, 6)
    if duration_s is None:
        return {**fields, "duration_s": length_s}
    if abs(length_s - duration_s) > duration_tolerance_s(length_s):
        reason = f"from {start_s:g} s to {end_s:g} s, and a duration of {duration_s:g} s"
        fix = "correct the row; if the duration is that of the whole file, rename its column"
        raise Fault("MAN-SEGMENT", reason, fix)
    return fields


def _in_seconds(milliseconds: object) -> object:
    """Seconds; what is no number is returned as it is, to be refused with its row."""
    try:
        return as_number(milliseconds) / 1000
    except ValueError:
        return milliseconds


def _column(field: str, found: Sequence[str], chosen: str | None) -> str | None:
    if chosen is not None:
        return chosen if chosen in found else None
    by_lower = {name.strip().lower(): name for name in reversed(found)}
    return next((by_lower[name] for name in COLUMN_NAMES[field] if name in by_lower), None)


def _missing(field: str, found: Sequence[str], path: Path, chosen: str | None) -> Fault:
    expected = (chosen,) if chosen else COLUMN_NAMES[field]
    by_lower = {name.strip().lower(): name for name in found[:NUM_COMPARED]}
    close = [match for name in expected for match in get_close_matches(name, by_lower, n=1)]
    hint = f" (did you mean {by_lower[close[0]]!r}?)" if close else ""
    return Fault(
        "MAN-COLUMN",
        f"{path}: no {field} column; found {shown_names([*map(repr, found)]) or 'none'}; expected "
        f"{' or '.join(expected)}{hint}",
        f"rename the column, or name it with --{field.removesuffix('_s')}-column",
    )


def splits_in_names(names: Sequence[str]) -> dict[str, Split | None]:
    """The split that the name of each file speaks of: `train_manifest`, `cuts_dev-other`, `test/0`.

    None for all where they speak of one split only: train alone is a corpus without splits.
    """
    splits = {name: split_in(name) for name in names}
    return splits if len({*splits.values()} - {None}) > 1 else dict.fromkeys(names)


def split_in(name: str) -> Split | None:
    """The split that a name speaks of in its last part that does; None when it speaks of none."""
    parts = re.split(r"[/_.\-]", name)
    return next((split for part in reversed(parts) if (split := split_named(part))), None)


def split_named(name: str) -> Split | None:
    """The split that a corpus calls `name`, in any case; None when it names none."""
    return SPLIT_NAMES.get(name.strip().lower())
