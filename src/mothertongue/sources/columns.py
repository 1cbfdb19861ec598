"""Which column of a table holds what, by the names that corpora use."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from mothertongue.faults import Fault
from mothertongue.sources.base import Record

# In each, the first that is there wins. The order of the text columns is the Open ASR
# Leaderboard's; a corpus with both spellings has its plain text under the shorter name.
NAMES: dict[str, tuple[str, ...]] = {
    "audio": ("audio", "file_name", "path", "audio_filepath"),
    "text": ("text", "sentence", "transcription", "raw_transcription", "transcript"),
    "id": ("id",),
    "language": ("language", "lang", "locale"),
    "speaker": ("speaker", "client_id", "speaker_id"),
    "split": ("split",),
    "license": ("license",),
    "start_s": ("start_s", "start", "offset"),
    "duration_s": ("duration_s", "duration"),
}
REQUIRED = ("audio", "text")


def find_columns(
    found: Sequence[str], path: Path, chosen: Mapping[str, str | None]
) -> dict[str, str]:
    """Our field name to the table's column. `chosen` overrides the guess for a field.

    Raises Fault MAN-COLUMN when a column appears twice, or a required or chosen one is missing.
    """
    twice = sorted({name for name in found if list(found).count(name) > 1})
    if twice:
        raise Fault(
            "MAN-COLUMN", f"{path}: column {twice[0]!r} appears twice", "rename or remove one"
        )
    columns = {field: _column(field, found, path, chosen.get(field)) for field in NAMES}
    return {field: column for field, column in columns.items() if column is not None}


def renamed(record: Record, columns: Mapping[str, str]) -> dict[str, object]:
    """A table's record under our field names."""
    return {field: record.get(column) for field, column in columns.items()}


def _column(field: str, found: Sequence[str], path: Path, chosen: str | None) -> str | None:
    if chosen is not None:
        if chosen in found:
            return chosen
        raise _missing(field, found, path, (chosen,))
    by_lower = {name.strip().lower(): name for name in reversed(found)}
    for name in NAMES[field]:
        if name in by_lower:
            return by_lower[name]
    if field in REQUIRED:
        raise _missing(field, found, path, NAMES[field])
    return None


def _missing(field: str, found: Sequence[str], path: Path, expected: Sequence[str]) -> Fault:
    by_lower = {name.strip().lower(): name for name in found}
    close = [match for name in expected for match in get_close_matches(name, by_lower, n=1)]
    hint = f" (did you mean {by_lower[close[0]]!r}?)" if close else ""
    return Fault(
        "MAN-COLUMN",
        f"{path}: no {field} column; found {', '.join(map(repr, found)) or 'none'}; expected "
        f"{' or '.join(expected)}{hint}",
        f"rename the column, or name it with --{field.removesuffix('_s')}-column",
    )
