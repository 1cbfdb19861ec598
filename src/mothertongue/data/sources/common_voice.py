"""Read Common Voice's scripted speech: train, dev, test and validated tsv files, and clips/."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

from mothertongue.data.folders import shown
from mothertongue.data.sources.base import Rejection, Row, Source, Unused, to_row
from mothertongue.data.sources.columns import find_columns, renamed
from mothertongue.data.sources.readers import read_delimited, read_header
from mothertongue.data.text_cleaning import clean_text, sentence_key
from mothertongue.errors import Fault

SPLITS = ("train", "dev", "test")
HELD_OUT = ("dev", "test")
VALIDATED_OPTIONS = {"--validated": "clips"}


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
    options = VALIDATED_OPTIONS
    precedence = 20

    kind: Literal["common_voice"] = "common_voice"
    path: Path
    """The language folder."""
    clips: Literal["splits", "validated"] = "splits"
    """`splits`: the published train, dev and test, which keep one clip for each sentence.
    `validated`: every clip that listeners confirmed. The published dev and test stay as they are;
    of the others, those of their speakers and sentences are held out, and the rest is train. If
    there is no published dev and test, `prepare` splits by speaker and sentence."""

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize the corpus by clips/ beside a table with client_id."""
        return bool(_tables(path))

    @classmethod
    def at(cls, path: Path, settings: Mapping[str, Any]) -> Self:
        """Return the source of the published splits, or without splits, of all validated clips."""
        has_splits = bool(_tables(path) & set(SPLITS))
        all_clips = settings.get("clips", False) or not has_splits
        return cls(path=path, clips="validated" if all_clips else "splits")

    def rows(self) -> Iterator[Row | Rejection]:
        if self.clips == "splits":
            yield from self._published(SPLITS)
        else:
            yield from self._validated()

    def _published(self, splits: Sequence[str]) -> Iterator[Row | Rejection]:
        tables = [table for name in splits if (table := self.path / f"{name}.tsv").is_file()]
        if not tables and splits == SPLITS:
            raise self._missing(SPLITS)
        for table in tables:
            yield from _rows(table, table.stem)

    def _validated(self) -> Iterator[Row | Rejection]:
        table = self.path / "validated.tsv"
        if not table.is_file():
            raise self._missing(("validated",))
        clips: set[str | None] = set()
        speakers: set[str | None] = set()
        sentences: set[str] = set()
        for row in self._published(HELD_OUT):
            if isinstance(row, Row) and row.audio and row.text:
                clips.add(row.audio)
                speakers.add(row.speaker)
                sentences.add(_sentence(row))
            yield row
        for row in _rows(table, "train" if clips else None):
            if isinstance(row, Rejection):
                yield row
            elif row.audio not in clips:
                yield replace(row, aside=_held_out(row, speakers, sentences))

    def _missing(self, names: Sequence[str]) -> Fault:
        reason = f"{self.path}: none of {', '.join(f'{name}.tsv' for name in names)}"
        fix = "unpack the release again, or take its other tables: with --validated, or without"
        return Fault("MAN-FORMAT", reason, fix)


def _rows(table: Path, split: str | None) -> Iterator[Row | Rejection]:
    columns = find_columns(read_header(table, "\t"), table, {})
    # Transcripts hold unbalanced quotes: they are plain characters here.
    for item in read_delimited(table, "\t", has_quotes=False):
        if isinstance(item, Rejection):
            yield item
            continue
        where, record = item
        fields = renamed(record, columns)
        audio = f"clips/{fields['audio']}" if fields["audio"] else None
        yield to_row(where, fields | {"audio": audio, "split": split})


def _held_out(row: Row, speakers: set[str | None], sentences: set[str]) -> Unused | None:
    """Return why a clip is not trained on; without a speaker, only its sentence decides."""
    if row.speaker is not None and row.speaker in speakers:
        return "held-out speaker"
    return "held-out sentence" if _sentence(row) in sentences else None


def _sentence(row: Row) -> str:
    return sentence_key(clean_text(row.text or "")[0])


def _tables(path: Path) -> set[str]:
    """Return the names of the release's tables in a language folder; none in another folder."""
    if not (path / "clips").is_dir():
        return set()
    tables = [each for each in shown(path) if each.suffix == ".tsv" and each.is_file()]
    names = {table.stem for table in tables if "client_id" in read_header(table, "\t")}
    return names & {*SPLITS, "validated"}
