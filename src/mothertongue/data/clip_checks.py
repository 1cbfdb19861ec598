"""Check one row: keep it as an utterance, or reject it with a reason."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import Field

from mothertongue.config import Config
from mothertongue.data.audio.decoders import Span
from mothertongue.data.audio.headers import AudioError, inspect_file, regular_size
from mothertongue.data.audio_paths import clip_path
from mothertongue.data.languages import language_code
from mothertongue.data.manifest import Split, Utterance, duration_tolerance_s
from mothertongue.data.pseudo_labels import SCORES_NOTHING
from mothertongue.data.sound_facts import Listen, Sound, hashed
from mothertongue.data.sources.base import TEXT_FIELDS, TIME_FIELDS, ForReview, Rejection, Row
from mothertongue.data.sources.columns import split_named
from mothertongue.data.text_cleaning import clean_text, sentence_key, suspects
from mothertongue.errors import ConfigError, Fault

CountLabelTokens = Callable[[str, str], int]

# Nothing within 72 dB below full scale: 8 steps of 16 bits, the dither of an empty channel.
SILENT_PEAK = 2**-12
QUIET_PEAK = 0.01  # -40 dB
CLIPPED_SHARE = 0.01
# Common Voice's own checks flag below 3 and above 30; 2 leaves room for logographic scripts.
MIN_CHARACTERS_PER_S, MAX_CHARACTERS_PER_S = 2.0, 30.0
CUT_IT = (
    "cut it into clips, each with its own text; or let a model do it: mothertongue prepare ... "
    "--align-with MODEL"
)


class Limits(Config):
    """Limits that a clip and its transcript must keep to be trained on."""

    min_duration_s: float = Field(0.1, gt=0)
    """Shorter clips hold no word."""
    max_duration_s: float = Field(30.0, gt=0, le=30)
    """Whisper's window; its feature extractor cuts the sound there, and the label keeps its end."""
    max_label_tokens: int = Field(448, gt=0, le=448)
    """The decoder's positions; transformers raises on a longer label, hours into a run."""
    exact_durations: bool = False
    """Reject a clip that is not as long as its row states, as training does."""
    trust_durations: bool = False
    """Take the durations that rows state and do not decode their clips: a second look at a large
    corpus in minutes. Finds no damaged, silent or duplicate sound."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A row that passed. Its keys are hashes of sound and sentence; its notes are codes."""

    where: str
    utterance: Utterance  # its audio is absolute; its split counts only if `split` is given
    split: Split | None
    long_id: str | None  # a longer id, in case the file's stem is not unique; None: id was given
    audio_key: bytes
    sentence_key: bytes
    sentence_id: str | None  # the corpus's own name for the sentence
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row that is neither kept nor rejected, and why. `clip` is what to review; None: nothing."""

    reason: str
    clip: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class LongClip:
    """A part of a file and the whole text spoken in it. `duration_s` None means up to its end."""

    path: Path
    start_s: float
    duration_s: float | None
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Examiner:
    """A check of rows, with its settings and functions."""

    root: Path
    may_leave_root: bool
    language: str | None
    limits: Limits
    count_label_tokens: CountLabelTokens
    listen: Listen

    def __call__(self, row: Row) -> Examined | Rejection | SetAside:
        """Check the clip and text of a row. Never raises because of the row's content."""
        try:
            return self._set_aside(row, row.aside) if row.aside else self._examine(row)
        except Fault as fault:
            return reject_row(row, fault)

    def long_clip(self, row: Row) -> LongClip:
        """Return what a row that is too long holds. Raises Fault if that is at fault too."""
        text, _ = _text(row.text)
        path, _ = self._locate(row.home or self.root, row.audio)
        duration_s = None if row.start_s is None else row.duration_s
        language = _language(row.language or self.language)
        return LongClip(path, row.start_s or 0.0, duration_s, text, language)

    def _set_aside(self, row: Row, reason: str) -> SetAside:
        if reason not in get_args(ForReview):
            return SetAside(reason, None)
        path, _ = self._locate(row.home or self.root, row.audio)
        regular_size(path)
        stated = {name: getattr(row, name) for name in (*TEXT_FIELDS, *TIME_FIELDS)}
        known = {
            "reason": reason,
            "where": row.where,
            "id": row.id or self._long_id(row, path),
            "audio": str(path),
            "language": _language(row.language or self.language),
        }
        del stated["split"]
        clip = stated | known
        return SetAside(reason, {name: value for name, value in clip.items() if value is not None})

    def _examine(self, row: Row) -> Examined:
        split = _split(row.split)
        if row.average_log_probability is not None and split != "train":
            raise Fault("MAN-SPLIT", f"split is {split!r}, expected train", SCORES_NOTHING)
        language = _language(row.language or self.language)
        text, text_notes = _text(row.text)
        self._check_length(text, language)
        path, path_notes = self._locate(row.home or self.root, row.audio)
        duration_s, audio_key, audio_notes = self._listen(row, path)
        name = clean_text(row.id)[0] if row.id else _stem(path, row.start_s)
        utterance = Utterance(
            id=name,
            audio=str(path),
            text=text,
            language=language,
            duration_s=round(duration_s, 4),
            start_s=row.start_s or 0.0,
            split=split or "train",
            speaker=clean_text(row.speaker)[0] or None if row.speaker else None,
            license=clean_text(row.license)[0] or None if row.license else None,
            average_log_probability=row.average_log_probability,
        )
        notes = (*row.notes, *text_notes, *path_notes, *audio_notes)
        notes += _rate_notes(text, duration_s)
        long_id = None if row.id else self._long_id(row, path)
        key = hashed(sentence_key(text).encode())
        return Examined(
            row.where, utterance, split, long_id, audio_key, key, row.sentence_id, notes
        )

    def _check_length(self, text: str, language: str) -> None:
        # Byte-level BPE never makes more tokens than bytes; five frame the label.
        if len(text.encode()) + 5 <= self.limits.max_label_tokens:
            return
        num_tokens = self.count_label_tokens(text, language)
        if num_tokens > self.limits.max_label_tokens:
            reason = f"{num_tokens} label tokens; expected at most {self.limits.max_label_tokens}"
            raise Fault("TXT-LONG", reason, CUT_IT)

    def _locate(self, root: Path, audio: str | None) -> tuple[Path, tuple[str, ...]]:
        if audio is None:
            raise Fault("AUD-MISSING", "the row names no audio file", "fill in the audio column")
        return clip_path(root, audio, self.may_leave_root)

    def _long_id(self, row: Row, path: Path) -> str:
        """Return an id that no other row has: the path of its sound in the corpus, and its times.

        Parts of a mixture have homes of their own, in which the same names may occur.
        """
        roots = [each for each in (self.root, row.home) if each and path.is_relative_to(each)]
        name = path.relative_to(roots[0]).as_posix() if roots else str(path)
        if not row.start_s:
            return name
        end_s = row.start_s + (row.duration_s or 0.0)
        return f"{name}@{row.start_s:.10g}-{end_s:.10g}"

    def _listen(self, row: Row, path: Path) -> tuple[float, bytes, tuple[str, ...]]:
        """Return the duration in seconds, the key of the sound, and notes."""
        if row.start_s is not None and row.duration_s is None:
            fix = "give the row a duration too, or neither"
            raise Fault("MAN-SEGMENT", "start without a duration", fix)
        if self.limits.trust_durations and row.duration_s is not None:
            inspect_file(path)
            self._check_duration(path, row.duration_s)
            return row.duration_s, hashed(f"{path}@{row.start_s or 0}".encode()), ()
        is_segment = row.start_s is not None
        wanted_s = row.duration_s if is_segment else None
        sound = self._decode(Span(path, row.start_s or 0.0, wanted_s, self.limits.max_duration_s))
        self._check_duration(path, sound.duration_s)
        notes = (*sound.notes, *_level_notes(path, sound))
        if row.duration_s and _differ(row.duration_s, sound.duration_s):
            if self.limits.exact_durations:
                raise Fault(
                    "MAN-DURATION",
                    f"{path}: {sound.duration_s:.2f} s, and the row states {row.duration_s:g} s",
                    "correct the row, or write the manifest again with: mothertongue prepare",
                )
            notes = (*notes, "MAN-DURATION")
        return sound.duration_s, bytes.fromhex(sound.key), notes

    def _decode(self, span: Span) -> Sound:
        try:
            return self.listen(span)
        except AudioError as error:
            if not error.reason.endswith(f"at most {span.max_duration_s:g} s"):
                raise
            raise AudioError(error.code, error.reason, CUT_IT) from None

    def _check_duration(self, path: Path, duration_s: float) -> None:
        low, high = self.limits.min_duration_s, self.limits.max_duration_s
        if duration_s < low:
            reason = f"{path}: {duration_s:.3f} s; expected at least {low:g} s"
            raise AudioError("AUD-SHORT", reason, "record the clip again, or leave it out")
        if duration_s > high:
            reason = f"{path}: {duration_s:.2f} s; expected at most {high:g} s"
            raise AudioError("AUD-LONG", reason, CUT_IT)


def reject_row(row: Row, fault: Fault) -> Rejection:
    """Return a Rejection of a row, with the fields that the row has."""
    names = (*TEXT_FIELDS, *TIME_FIELDS)
    given = {name: value for name in names if (value := getattr(row, name)) is not None}
    return Rejection(row.where, fault.code, fault.reason, fault.fix, given)


def _split(name: str | None) -> Split | None:
    if name is None:
        return None
    split = split_named(name)
    if split is None:
        reason = f"split is {name[:40]!r}; expected train, validation (or dev) or test"
        raise Fault("MAN-SPLIT", reason, "rename the split, or clear the column to get new splits")
    return split


def _language(code: str | None) -> str:
    if code is None:
        raise Fault("LANG-MISSING", "the row names no language", "pass --language, such as sw")
    try:
        return language_code(code)
    except ConfigError as error:
        raise Fault("LANG-UNKNOWN", str(error), "correct the row's language") from None


def _text(text: str | None) -> tuple[str, tuple[str, ...]]:
    cleaned, notes = clean_text(text or "")
    if not sentence_key(cleaned):
        reason = f"{cleaned[:40]!r} holds no letter or digit" if cleaned else "the text is empty"
        raise Fault("TXT-EMPTY", reason, "transcribe the clip, or leave the row out")
    if "\ufffd" in cleaned:
        reason = f"{cleaned[:40]!r} holds U+FFFD, which stands for a lost character"
        raise Fault("TXT-BROKEN", reason, "export the transcripts again, as UTF-8")
    return cleaned, (*notes, *suspects(cleaned))


def _rate_notes(text: str, duration_s: float) -> tuple[str, ...]:
    rate = len(text) / duration_s
    return () if MIN_CHARACTERS_PER_S <= rate <= MAX_CHARACTERS_PER_S else ("TXT-RATE",)


def _level_notes(path: Path, sound: Sound) -> tuple[str, ...]:
    """Return notes on the level. Raises AudioError AUD-SILENT for silence and for a constant."""
    if sound.peak < SILENT_PEAK:
        reason = f"{path}: silence, the loudest sample is {sound.peak:.1e} of full scale"
        raise AudioError("AUD-SILENT", reason, "record the clip again, or leave it out")
    if sound.peak < QUIET_PEAK:
        return ("AUD-QUIET",)
    return ("AUD-CLIPPED",) if sound.clipped_share > CLIPPED_SHARE else ()


def _differ(stated_s: float, decoded_s: float) -> bool:
    # Turned around for NaN, which is no number and differs from all.
    return not abs(stated_s - decoded_s) <= duration_tolerance_s(decoded_s)


def _stem(path: Path, start_s: float | None) -> str:
    return path.stem if not start_s else f"{path.stem}@{start_s:g}"
