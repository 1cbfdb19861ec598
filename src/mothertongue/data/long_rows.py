"""Rows that are too long to train on: an aligner cuts them into rows that point into their sound.

The aligner is handed in: it needs a model, and this package knows none.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from mothertongue.data.clip_checks import Examined, Examiner, LongClip, SetAside, reject_row
from mothertongue.data.sources.base import ForReview, Rejection, Row
from mothertongue.errors import Fault

TOO_LONG = frozenset({"AUD-LONG", "TXT-LONG"})
NUM_WORST = 20


@dataclass(frozen=True, slots=True)
class AlignedSpan:
    """A part of a text and the part of its file in which it is spoken, in seconds.

    `agreement` is that of its characters with those that the model recognized, in [0, 1].
    """

    start_s: float
    end_s: float
    text: str
    agreement: float


@dataclass(frozen=True, slots=True)
class Unaligned:
    """A part of a file, in seconds, or of its text, that is in no span, and why."""

    start_s: float
    end_s: float
    text: str | None
    reason: ForReview


@dataclass(frozen=True, slots=True)
class Aligned:
    """How much of long rows was kept: seconds of sound, characters of their texts.

    `sound_s`: how much is louder than the pauses. `characters`: letters and digits.
    """

    duration_s: float
    sound_s: float
    kept_sound_s: float
    characters: int
    kept_characters: int


@dataclass(frozen=True, slots=True)
class Alignment(Aligned):
    """The spans of a recording whose text and sound agree, in order, and what is left."""

    spans: tuple[AlignedSpan, ...]
    unaligned: tuple[Unaligned, ...]


@dataclass(frozen=True, slots=True)
class WorstAligned(Aligned):
    """One of the rows that lost most, and where it stands."""

    where: str


@dataclass(frozen=True, slots=True)
class AllAligned(Aligned):
    """The result of `--align-with` for a corpus."""

    model: str
    settings: dict[str, JsonValue]
    recordings: int
    clips: int
    worst: list[WorstAligned]


class Align(Protocol):
    """A function that aligns a recording with its text. It raises Fault where it cannot."""

    def __call__(self, clip: LongClip) -> Alignment: ...

    @property
    def model(self) -> str:
        """The name of the model."""

    def settings(self) -> dict[str, JsonValue]:
        """Return the settings."""
        ...


@dataclass(frozen=True, slots=True)
class TooLong:
    """A row to align, and the rejection that it is if it cannot be."""

    row: Row
    rejection: Rejection


Checked = Examined | Rejection | SetAside | TooLong


@dataclass(frozen=True, slots=True)
class LongRows:
    """An examiner that marks rows which are too long, and then cuts them."""

    examiner: Examiner
    align: Align
    done: list[tuple[str, Alignment]] = field(default_factory=list)
    """The place and the alignment of each row that was cut."""

    def __call__(self, row: Row) -> Checked:
        """Check a row."""
        found = self.examiner(row)
        is_long = isinstance(found, Rejection) and found.code in TOO_LONG
        return TooLong(row, found) if isinstance(found, Rejection) and is_long else found

    def cut(
        self, long: TooLong, examine: Callable[[Row], Checked]
    ) -> Iterator[Examined | Rejection | SetAside]:
        """Yield the parts of a row, each checked by `examine`; its rejection if no part agrees."""
        row = long.row
        try:
            found = self.align(self.examiner.long_clip(row))
        except Fault as fault:
            yield reject_row(row, fault)
            return
        self.done.append((row.where, found))
        if not found.spans:
            yield reject_row(row, _apart(found))
            return
        for part in _rows(row, found):
            checked = examine(part)
            yield checked.rejection if isinstance(checked, TooLong) else checked

    def aligned(self) -> AllAligned:
        """Return the sums over all rows that were cut, and those that lost most."""
        found = [alignment for _, alignment in self.done]
        worst = sorted(self.done, key=lambda each: _kept_share(each[1]))[:NUM_WORST]
        return AllAligned(
            *_sums(found),
            model=self.align.model,
            settings=self.align.settings(),
            recordings=len(found),
            clips=sum(len(each.spans) for each in found),
            worst=[WorstAligned(*_sums([each]), where) for where, each in worst],
        )


def _sums(found: Sequence[Alignment]) -> tuple[float, float, float, int, int]:
    return (
        round(sum(each.duration_s for each in found), 3),
        round(sum(each.sound_s for each in found), 3),
        round(sum(each.kept_sound_s for each in found), 3),
        sum(each.characters for each in found),
        sum(each.kept_characters for each in found),
    )


def _kept_share(found: Alignment) -> float:
    return found.kept_sound_s / found.sound_s if found.sound_s else 0.0


def _rows(row: Row, found: Alignment) -> Iterator[Row]:
    """Yield rows for the spans and for what is left, in the order of their times."""
    parts: list[AlignedSpan | Unaligned] = [*found.spans, *found.unaligned]
    name = row.id or Path(row.audio or "").with_suffix("").as_posix()
    for part in sorted(parts, key=lambda each: (each.start_s, each.end_s)):
        cut = replace(
            row,
            id=f"{name}@{part.start_s}-{part.end_s}",
            text=part.text,
            start_s=part.start_s,
            duration_s=round(part.end_s - part.start_s, 3),
            sentence_id=None,  # it names the whole text
        )
        if isinstance(part, Unaligned):
            yield replace(cut, split=None, aside=part.reason)
        else:
            yield replace(cut, notes=(*row.notes, "SEG-ALIGNED"))


def _apart(found: Alignment) -> Fault:
    return Fault(
        "SEG-APART",
        f"no part of its text agrees with what the model recognized in {found.duration_s:.0f} s",
        "check that the text belongs to the sound; else give a model of the language, such as a "
        "tuned one, or a lower --align-least",
    )
