"""Read Common Voice's spontaneous speech: ss-corpus-LOCALE.tsv and audios/."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

from mothertongue.data.sources.base import Rejection, Row, Source, for_review, to_row
from mothertongue.data.sources.columns import find_columns, renamed
from mothertongue.data.sources.readers import read_delimited, read_header
from mothertongue.errors import Fault

TABLE_NAME = re.compile(r"ss-corpus-(.+)\.tsv")
UNASSIGNED = "unassigned"  # recorded and perhaps transcribed, but not validated
# The tags for sounds that are not words, from its guidelines: [noise], [disfluency], ...
TAG = re.compile(r"\[[^][]{1,40}\]")


class SpontaneousSpeechSource(Source):
    """One language folder of a release, such as `sps-corpus-3.0-2026-03-09-bas`.

    Clips that are not transcribed, or not validated, are for review.
    """

    examples = (
        {
            "ss-corpus-sw.tsv": "client_id\taudio_id\taudio_file\tduration_ms\tprompt\t"
            "transcription\tlanguage\tsplit\n"
            "s1\t1\ta.wav\t1000\tHabari?\tNzuri [noise]\tSwahili\ttrain\n",
            "ss-reported-audios-sw.tsv": "audio_id\treason\n",
            "audios/a.wav": "",
        },
    )
    precedence = 15

    kind: Literal["common_voice_spontaneous"] = "common_voice_spontaneous"
    path: Path
    """The language folder."""

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize the corpus by the table's name beside audios/; the path may be the table."""
        folder = _folder(path)
        return (folder / "audios").is_dir() and len(_tables(folder)) == 1

    @classmethod
    def at(cls, path: Path, settings: Mapping[str, Any]) -> Self:
        """Return the source for the folder, or for the folder of the table."""
        return cls(path=_folder(path), **settings)

    def rows(self) -> Iterator[Row | Rejection]:
        tables = _tables(self.path)
        if len(tables) != 1:
            reason = f"{self.path}: {len(tables)} tables ss-corpus-*.tsv; expected one"
            raise Fault("MAN-FORMAT", reason, "unpack one language's archive to one folder")
        (table,) = tables
        columns = find_columns(read_header(table, "\t"), table, {})
        for item in read_delimited(table, "\t", has_quotes=False):
            if isinstance(item, Rejection):
                yield item
                continue
            where, record = item
            row = to_row(where, renamed(record, columns) | _locale(table))
            yield row if isinstance(row, Rejection) else _transcribed(row)


def _folder(path: Path) -> Path:
    return path.parent if path.is_file() and TABLE_NAME.fullmatch(path.name) else path


def _tables(folder: Path) -> list[Path]:
    found = sorted(folder.glob("ss-corpus-*.tsv")) if folder.is_dir() else []
    return [table for table in found if table.is_file()]


def _locale(table: Path) -> dict[str, object]:
    """Return the language code in the table's name: the column `language` holds no code."""
    match = TABLE_NAME.fullmatch(table.name)
    return {"language": match[1] if match else None}


def _transcribed(row: Row) -> Row | Rejection:
    """Return the row with the path of its sound, without tags; set aside if it is for review."""
    if row.audio and "/" not in row.audio:
        row = replace(row, audio=f"audios/{row.audio}")
    if row.text is None:
        return for_review(row)
    if row.split in (None, UNASSIGNED):
        return for_review(row, "unassigned")
    words = TAG.sub(" ", row.text)
    notes = ("TXT-UNTAGGED",) if words != row.text else ()
    return replace(row, text=" ".join(words.split()) if notes else row.text, notes=notes)
