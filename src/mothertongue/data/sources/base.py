"""The interface of a corpus layout: raw rows, or the reason why a row cannot be read."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import PrivateAttr

from mothertongue.config import Config
from mothertongue.data.pseudo_labels import Labelling
from mothertongue.errors import Fault

ROOT_OPTIONS = {"--audio-root": "audio_root"}
Record = Mapping[str, Any]
ForReview = Literal["untranscribed", "unassigned", "unaligned", "unspoken"]
"""Why a clip is for people to review: it has no transcript, nobody confirmed the one it has, its
text and sound do not agree, or its text is not spoken."""
Unused = Literal["held-out speaker", "held-out sentence", "of another annotator"]
"""Why a transcript is not used: its speaker or sentence is in validation or test, or the sound has
another transcript."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as the corpus states it, unchecked. `where` is file:line; times are in seconds.

    `embedded` is the content of an audio file that is part of the table; `audio` is then the
    name that it had. `sentence_id` is shared by all readings of one sentence. `home` is the folder
    that `audio` starts in and may not leave; None: the source's root. A row with `aside` is neither
    kept nor rejected. `notes` are codes of what the source changed.
    """

    where: str
    audio: str | None = None
    text: str | None = None
    id: str | None = None
    language: str | None = None
    speaker: str | None = None
    split: str | None = None
    license: str | None = None
    start_s: float | None = None
    duration_s: float | None = None
    sentence_id: str | None = None
    embedded: bytes | None = field(default=None, repr=False)
    home: Path | None = None
    aside: ForReview | Unused | None = None
    notes: tuple[str, ...] = ()
    average_log_probability: float | None = None
    """As in Utterance."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that is left out: where it stands, the code and reason, what to do, its raw fields."""

    where: str
    code: str
    reason: str
    fix: str
    row: dict[str, Any]


class Source(Config, ABC):
    """A corpus on disk. Final subclasses add `kind: Literal["name"] = "name"`."""

    examples: ClassVar[tuple[Mapping[str, str | bytes], ...]]
    """Small corpora of this layout for tests: each file's content by its path; sounds are empty.
    A single file named as its path stands for itself, several for their folder."""
    options: ClassVar[Mapping[str, str]] = {}
    """The settings that `prepare` takes for this layout: the option and the field that it sets."""
    precedence: ClassVar[int] = 50
    """The rank among layouts that recognize a path: the one with the lowest number is taken."""

    path: Path
    """The corpus: a file or a folder."""
    audio_root: Path | None = None
    """The folder in which relative audio paths start, if it is not the corpus' own."""

    _told: list[str] = PrivateAttr(default_factory=list)
    _remarks: list[str] = PrivateAttr(default_factory=list)
    _labelling: Labelling | None = PrivateAttr(default=None)

    @classmethod
    def layout(cls) -> str:
        """Return the name of the layout, for `--source` and reports."""
        return str(cls.model_fields["kind"].default)

    @classmethod
    @abstractmethod
    def recognizes(cls, path: Path) -> bool:
        """Return whether the path holds this layout, by its names and first lines."""

    @classmethod
    def at(cls, path: Path, settings: Mapping[str, Any]) -> Self:
        """Return the source of a path that it recognizes; `settings` are fields of `options`."""
        return cls(path=path, **settings)

    @property
    def root(self) -> Path:
        """Return the data folder: relative audio paths start here, and none may leave it."""
        return self.audio_root or (self.path if self.path.is_dir() else self.path.parent)

    @abstractmethod
    def rows(self) -> Iterator[Row | Rejection]:
        """Yield every row in file order, one in memory at a time.

        Raises Fault (a DataError) if a file as a whole cannot be read: MAN-COLUMN,
        MAN-ENCODING.
        """

    @property
    def remarks(self) -> tuple[str, ...]:
        """Return remarks on the whole corpus, such as what was left out, after `rows` ended."""
        return (*self._told, *self._remarks)

    def tell(self, remarks: Iterable[str]) -> None:
        """Add remarks on what was seen of the corpus before its rows are read."""
        self._told += remarks

    @property
    def labelling(self) -> Labelling | None:
        """Return how a model wrote the texts, for the data card; None if people did."""
        return self._labelling


TEXT_FIELDS = ("audio", "text", "id", "language", "speaker", "split", "license", "sentence_id")
TIME_FIELDS = ("start_s", "duration_s")


def to_row(where: str, record: Record) -> Row | Rejection:
    """Return a Row of raw fields under our names: empty is None, a number as id becomes text."""
    try:
        fields: dict[str, Any] = {name: _text(name, record.get(name)) for name in TEXT_FIELDS}
        fields |= {name: as_seconds(name, record.get(name)) for name in TIME_FIELDS}
    except Fault as fault:
        return reject(where, record, fault)
    embedded = record.get("embedded")
    return Row(where, **fields, embedded=embedded if isinstance(embedded, bytes) else None)


def for_review(row: Row | Rejection, reason: ForReview = "untranscribed") -> Row | Rejection:
    """Return the row, set aside for people to transcribe or confirm; a Rejection as it is."""
    return replace(row, split=None, aside=reason) if isinstance(row, Row) else row


def reject(where: str, record: Record, fault: Fault) -> Rejection:
    """Return a Rejection for a fault, with the fields that are safe to write as UTF-8 JSON."""
    shown = {key: value for key, value in record.items() if value and not isinstance(value, bytes)}
    row = {_printable(str(key)): _printable(value) for key, value in shown.items()}
    return Rejection(where, fault.code, _printable(fault.reason), fault.fix, row)


def _text(name: str, value: object) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and name != "text":
        value = str(value)
    if not isinstance(value, str):
        reason = f"{name} is {type(value).__name__} {str(value)[:40]!r}, expected text"
        raise Fault("MAN-TYPE", reason, f"write {name} as a quoted string")
    try:
        value.encode()
    except UnicodeEncodeError:
        reason = f"{name} holds half of a surrogate pair, which is no character"
        raise Fault("MAN-ENCODING", reason, "write the row again from a UTF-8 source") from None
    return value if value.strip() else None


def as_number(value: object) -> float:
    """Return a number; a comma counts as a point, as spreadsheets of many countries write it.

    Raises ValueError if it is none.
    """
    return float(str(value).replace(",", ".", 1))


def as_seconds(name: str, value: object) -> float | None:
    """Return the seconds of a field; None if it is empty. Raises Fault MAN-TYPE."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    try:
        seconds = as_number(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds < math.inf or isinstance(value, bool):
        fix = f"write {name.removesuffix('_s')} in seconds, such as 3.25, or leave it empty"
        raise Fault("MAN-TYPE", f"{name} is {str(value)[:40]!r}, expected seconds >= 0", fix)
    return seconds


def _printable(value: object) -> Any:
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value).encode("utf-8", "backslashreplace").decode()
