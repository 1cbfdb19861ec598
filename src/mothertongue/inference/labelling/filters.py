"""Choose the pieces of recordings whose recognized text is worth training on. No torch.

The filters are those that helped in self-training with Whisper: no loop, plausible speed, the most
probable part, agreement of two models (docs/guide.md names the sources).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from mothertongue.config import Config, parse
from mothertongue.data.scripts import spoken_letters
from mothertongue.data.text_cleaning import sentence_key
from mothertongue.errors import Fault
from mothertongue.evaluation.metrics import count_errors
from mothertongue.evaluation.normalizers import normalizer

AGREEMENT = 0.8
"""The usual `least_agreement`; it was not tuned."""


class LabelOptions(Config):
    """Filters of pseudo-labels."""

    keep: float = Field(0.7, gt=0, le=1)
    """The share that is kept of the pieces that pass all other filters: those of the highest mean
    log-probability."""
    min_speed: float = Field(5.0, ge=0, le=1000)
    """The least characters a second. A character that is a syllable or a word counts as two."""
    max_speed: float = Field(25.0, gt=0, le=1000)
    """The most characters a second."""
    least_agreement: float | None = Field(None, ge=0, le=1)
    """The least agreement with the text of a second model: 1 - edits / characters of the longer
    text, without punctuation and spaces."""


def label_options(filters: Mapping[str, Any], agree_with: str | None) -> LabelOptions:
    """Return the filters, with the usual least agreement if a second model has to agree."""
    options = parse(LabelOptions, filters, "label")
    if agree_with is None or options.least_agreement is not None:
        return options
    return options.model_copy(update={"least_agreement": AGREEMENT})


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a recording, in seconds, and what a model recognized in it."""

    start_s: float
    end_s: float
    text: str = ""
    average_log_probability: float | None = None
    looped: bool = False
    is_cut: bool = False

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


def faults_of(
    pieces: Sequence[Piece], second: Sequence[str] | None, options: LabelOptions
) -> list[Fault | None]:
    """Return why each piece is dropped; None where it is kept.

    `second` are the texts of a second model for the same pieces, for `least_agreement`.
    """
    others = second if second is not None else [""] * len(pieces)
    faults = [_fault(*each, options) for each in zip(pieces, others, strict=True)]
    passed = [i for i, fault in enumerate(faults) if fault is None]
    passed.sort(key=lambda i: -_confidence(pieces[i]))  # stable: of equal ones the first are kept
    # Rounded before: 0.7 x 10 is 7.000000000000001 in some orders of operations.
    count = math.ceil(round(options.keep * len(passed), 6))
    for i in passed[count:]:
        faults[i] = _improbable(pieces[i], pieces[passed[count - 1]])
    return faults


def agreement(text: str, other: str) -> float:
    """Return how much two texts agree, from 0 to 1: 1 - edits / characters of the longer one."""
    a, b = (_characters(each) for each in (text, other))
    longest = max(len(a), len(b))
    return 1 - count_errors(a, b).errors / longest if longest else 0.0


def text_within(piece: Piece, others: Sequence[Piece]) -> str:
    """Return the texts of those pieces that lie mostly within this one, in order."""

    def is_within(other: Piece) -> bool:
        shared_s = min(piece.end_s, other.end_s) - max(piece.start_s, other.start_s)
        return shared_s > other.duration_s / 2

    return " ".join(each.text for each in others if is_within(each))


def _fault(piece: Piece, other: str, options: LabelOptions) -> Fault | None:
    return _not_written(piece) or _bad_speed(piece, options) or _disagreed(piece, other, options)


def _not_written(piece: Piece) -> Fault | None:
    if not sentence_key(piece.text):
        reason = f"the model wrote {piece.text[:40]!r}" if piece.text else "the model wrote no text"
        return Fault("LBL-EMPTY", reason, "nothing; there may be no speech")
    if piece.looped:
        reason = f"the model repeats itself at the end of {piece.text[-40:]!r}"
        return Fault("LBL-LOOP", reason, "transcribe it, or leave it out")
    if piece.is_cut:
        reason = f"the text is longer than a label can be: {piece.text[:40]!r}"
        return Fault("LBL-CUT", reason, "transcribe it, or leave it out")
    return None


def _bad_speed(piece: Piece, options: LabelOptions) -> Fault | None:
    speed = spoken_letters(piece.text) / piece.duration_s
    if options.min_speed <= speed <= options.max_speed:
        return None
    reason = f"{speed:.1f} characters a second: {piece.text[:40]!r}"
    fix = f"give --min-speed (now {options.min_speed:g}) or --max-speed ({options.max_speed:g})"
    return Fault("LBL-SPEED", reason, fix)


def _disagreed(piece: Piece, other: str, options: LabelOptions) -> Fault | None:
    if options.least_agreement is None:
        return None
    found = agreement(piece.text, other)
    if found >= options.least_agreement:
        return None
    reason = f"agreement {found:.2f}: {piece.text[:40]!r}, by the second model {other[:40]!r}"
    return Fault("LBL-AGREE", reason, "give a lower --least-agreement, or leave it out")


def _improbable(piece: Piece, last_kept: Piece) -> Fault:
    reason = (
        f"mean log-probability {_confidence(piece):.3f}; those from {_confidence(last_kept):.3f} "
        "on are kept"
    )
    return Fault("LBL-SHARE", reason, "give a larger --keep, or leave it out")


def _confidence(piece: Piece) -> float:
    assert piece.average_log_probability is not None  # see refuse_unsure
    return piece.average_log_probability


def _characters(text: str) -> list[str]:
    return [char for char in normalizer("strict")(text) if not char.isspace()]
