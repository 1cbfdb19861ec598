"""The report of `prepare`, `check` and `label`: hours, clips, speakers, faults and notes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, get_args

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mothertongue.data.decisions import DROPPED
from mothertongue.data.long_rows import AllAligned
from mothertongue.data.manifest import SPLITS
from mothertongue.data.pseudo_labels import Labelling
from mothertongue.data.sources.base import ForReview, Rejection
from mothertongue.data.splits import SplitBy
from mothertongue.errors import DataError
from mothertongue.system.console import plain
from mothertongue.system.json_files import absent

NUM_EXAMPLES = 20
NOTES = {
    "AUD-CLIPPED": "over 1 % of the samples at full scale",
    "AUD-EXT": "extension of another audio format",
    "AUD-PHASE": "channels cancel each other; the loudest was taken",
    "AUD-QUIET": "peak under -40 dB",
    "AUD-STEREO": "several channels, averaged",
    "AUD-STREAMS": "several audio streams; the best was taken",
    "DEC-ACCEPT": "accepted by decision",
    "DEC-FIX": "has the text of a decision",
    "LEAK-SPEAKER": "speaker is also in a held-out split",
    "LEAK-TEXT": "sentence is also in a held-out split",
    "MAN-DURATION": "stated duration differs from the sound's, which was taken",
    "PATH-FORM": "file name in another Unicode form than the table's",
    "SEG-ALIGNED": "cut from a longer recording, as --align-with asks",
    "SEG-EVEN": "a time that the file leaves open, set evenly between its neighbours",
    "SEG-JOINED": "several segments joined, as --join asks",
    "TXT-CONTROL": "invisible characters removed",
    "TXT-DIGIT": "digits; people read them as words",
    "TXT-ENTITY": "text like &amp;",
    "TXT-MARKUP": "markup of subtitles removed, such as <i>",
    "TXT-NFC": "changed to NFC",
    "TXT-RATE": "under 2 or over 30 characters a second",
    "TXT-SCRIPT": "a word with letters of Latin, Greek or Cyrillic together",
    "TXT-SPACE": "white space joined",
    "TXT-SPECIAL": "text like <|en|>, kept as plain characters",
    "TXT-TAG": "text like [noise], <b>, S1: or :fra",
    "TXT-UNTAGGED": "tags such as [noise] removed from the text",
    "TXT-WORD": "a word of over 100 characters",
}


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """One split. `characters` is the number of characters of all its transcripts."""

    clips: int
    hours: float
    speakers: int
    characters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataReport:
    """The result for a corpus. Rejected and notes count rows by code; a row may have many notes.

    `first_rejections` has the first 20; `prepare` writes all of them to rejected.jsonl. `confirmed`
    has the facts that are known from elsewhere and agree with the corpus. `source` is the layout
    that the corpus was taken for. `aside` counts the rows that are neither kept nor rejected, by
    reason; `num_rows` counts all others. `alignment` tells how much of the long rows was kept; None
    if none was to be aligned. `labelling` tells which model wrote the texts; None if people did.
    """

    source: str = ""
    splits: Mapping[str, SplitFacts] = field(default_factory=dict)
    num_rows: int
    rejected: Mapping[str, int]
    notes: Mapping[str, int]
    warnings: tuple[str, ...]
    split_by: SplitBy
    max_reject_fraction: float = 0.0
    first_rejections: tuple[Rejection, ...] = ()
    confirmed: tuple[str, ...] = ()
    aside: Mapping[str, int] = field(default_factory=dict)
    alignment: AllAligned | None = absent()
    labelling: Labelling | None = absent()

    ALSO_WRITTEN: ClassVar = ("rows", "kept", "hours", "num_rejected", "ok")

    @property
    def rows(self) -> int:
        """The number of all rows; each is kept, rejected or aside."""
        return self.num_rows + sum(self.aside.values())

    @property
    def kept(self) -> int:
        return self.num_rows - self.num_rejected

    @property
    def hours(self) -> float:
        return sum(facts.hours for facts in self.splits.values())

    @property
    def num_rejected(self) -> int:
        return sum(self.rejected.values())

    @property
    def num_faults(self) -> int:
        """The number of rejected rows without those that somebody decided to drop."""
        return self.num_rejected - self.rejected.get(DROPPED, 0)

    @property
    def reasons(self) -> str:
        """The codes of the rejected rows with their counts, for a message."""
        return ", ".join(f"{code} {count:,}" for code, count in self.rejected.items())

    @property
    def ok(self) -> bool:
        """Return whether rows are left, and not more were rejected than the limit allows."""
        is_within = self.num_faults <= self.max_reject_fraction * self.num_rows
        return is_within and self.num_rejected < self.num_rows

    def require_ok(self, listed_in: str = "rejected.jsonl") -> None:
        """Raise DataError (exit code 65) with the reasons by code if the report is not ok.

        The message says that the rejected rows are in `listed_in`.
        """
        if self.ok:
            return
        if not self.num_rows:
            raise DataError(
                f"no row to train on: {_counts(self.aside)}; expected some with a confirmed "
                "transcript; transcribe those in review.jsonl, and prepare them as a table"
            )
        raise DataError(
            f"{self.num_rejected:,} of {self.num_rows:,} rows rejected ({self.reasons}); "
            f"expected at most {self.max_reject_fraction:.1%} and at least one row kept; correct "
            f"them as {listed_in} says, or raise --max-reject-fraction"
        )


def report_table(report: DataReport) -> RenderableType:
    """Return the report as tables for a terminal; text of the corpus cannot control it."""
    parts: list[RenderableType] = [Text(f"Read as {report.source}"), _split_table(report)]
    if report.alignment and report.alignment.recordings:
        parts.append(_alignment_table(report.alignment))
    if report.rejected:
        parts.append(_rejected_table(report))
    if report.notes:
        parts.append(_notes_table(report))
    lines = [f"Set aside: {_counts(report.aside)}"] if report.aside else []
    if report.aside.keys() & get_args(ForReview):
        lines += ["review.jsonl lists those without a confirmed transcript"]
    lines += [f"! {warning}" for warning in report.warnings]
    lines += [f"confirmed: {fact}" for fact in report.confirmed]
    return Group(*parts, *(Text(_plain(line)) for line in lines))


def label_table(report: DataReport, out: str) -> RenderableType:
    """Return what was labelled and kept, then the tables of `prepare`."""
    found = report.labelling
    assert found, "label says which model wrote the texts"
    title = Text(plain(f"{out}: labelled by {found.model}, round {found.round}"))
    table = Table("", "clips", "hours", box=SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    kept = report.splits["train"]
    table.add_row("recordings", f"{found.recordings:,}", f"{found.recorded_s / 3600:.2f}")
    table.add_row("pieces", f"{found.pieces:,}", f"{found.pieces_s / 3600:.2f}")
    table.add_row("kept", f"{kept.clips:,}", f"{kept.hours:.2f}")
    least = found.least_log_probability
    limit = "" if least is None else f"Passed: mean log-probabilities from {least:.3f} on"
    return Group(title, table, Text(limit), report_table(report))


def _split_table(report: DataReport) -> Table:
    table = Table(title=f"Splits (by {report.split_by})", title_justify="left")
    for name in ("split", "hours", "clips", "speakers", "characters"):
        table.add_column(name, justify="left" if name == "split" else "right")
    for split in SPLITS:
        facts = report.splits[split]
        numbers = (facts.clips, facts.speakers, facts.characters)
        clips, speakers, characters = (f"{number:,}" for number in numbers)
        table.add_row(split, f"{facts.hours:.2f}", clips, speakers, characters)
    return table


def _alignment_table(found: AllAligned) -> Table:
    title = f"Long rows: {found.recordings:,}, cut to {found.clips:,} clips"
    table = Table("by " + found.model, "all", "kept", "share", title=title, title_justify="left")
    minutes = found.sound_s / 60, found.kept_sound_s / 60
    characters = found.characters, found.kept_characters
    table.add_row("minutes of sound", *(f"{each:.1f}" for each in minutes), _share(*minutes))
    table.add_row("characters of text", *(f"{each:,}" for each in characters), _share(*characters))
    return table


def _share(whole: float, part: float) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _rejected_table(report: DataReport) -> Table:
    title = f"Rejected: {report.num_rejected:,} of {report.num_rows:,} rows"
    table = Table("code", "rows", "for example", title=title, title_justify="left")
    examples = {row.code: row for row in reversed(report.first_rejections)}
    for code, count in report.rejected.items():
        row = examples.get(code)
        example = f"{row.where}: {row.reason}; {row.fix}" if row else "see rejected.jsonl"
        table.add_row(code, f"{count:,}", Text(_plain(example)))
    return table


def _notes_table(report: DataReport) -> Table:
    table = Table("code", "rows", "kept, but", title="Notes", title_justify="left")
    for code, count in report.notes.items():
        table.add_row(code, f"{count:,}", NOTES[code])
    return table


def _counts(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in rows.items())


def _plain(text: str) -> str:
    # A transcript may hold escape codes that would move the cursor or recolour the terminal.
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
