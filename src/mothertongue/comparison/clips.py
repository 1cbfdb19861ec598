"""Collect every test clip with each system's transcript, aligned to its reference.

The record has the path of each clip's audio, not the audio. No torch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mothertongue.comparison.paired_scores import PRIMARY_NORMALIZER
from mothertongue.data.languages import Measure
from mothertongue.data.manifest import Utterance, read_data
from mothertongue.evaluation.error_alignment import Piece, Unit, align, tokens, unit_of
from mothertongue.evaluation.metrics import count_errors
from mothertongue.evaluation.normalizers import characters, normalizer
from mothertongue.evaluation.rates import UtteranceRow
from mothertongue.system.json_files import Document


@dataclass(frozen=True, slots=True)
class SystemTranscript:
    """The transcript of a clip by one system.

    `pieces` are triples of kind, reference and hypothesis, equal tokens in a row as one.
    """

    text: str
    word_errors: int
    character_errors: int
    looped: bool
    pieces: list[list[str]]


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A test clip with the transcript of each system."""

    id: str
    speaker: str | None
    duration_s: float
    audio: str | None
    """The path of its sound; None where it is in no manifest any more."""
    start_s: float
    reference: str
    words: int
    characters: int
    heard: list[SystemTranscript]


@dataclass(frozen=True, slots=True)
class ClipSet(Document):
    """An element of clips.json: the clips of a test set with the transcripts of each system."""

    language: str
    name: str
    normalizer: str
    unit: Unit
    measure: Measure
    """The rate that clips are sorted by."""
    systems: list[str]
    clips: list[ClipRow]


def clip_set(
    language: str,
    name: str,
    manifests: Sequence[Path],
    systems: Mapping[str, Sequence[UtteranceRow]],
    measure: Measure,
) -> ClipSet:
    """Return one test set in the order of the rows; each system has rows for the same clips.

    Of several seeds the rows are the first one's. Errors are counted under PRIMARY_NORMALIZER, and
    texts are aligned as it leaves them.
    """
    places = {each.id: each for each in read_data(manifests)}
    names = list(systems)
    unit = unit_of(systems[names[0]][0].language)
    return ClipSet(
        language=language,
        name=name,
        normalizer=PRIMARY_NORMALIZER,
        unit=unit,
        measure=measure,
        systems=names,
        clips=[
            _clip(places.get(rows[0].id), rows, unit)
            for rows in zip(*systems.values(), strict=True)
        ],
    )


def _clip(place: Utterance | None, rows: Sequence[UtteranceRow], unit: Unit) -> ClipRow:
    first = rows[0]
    normalize = normalizer(PRIMARY_NORMALIZER)
    reference = normalize(first.reference)
    return ClipRow(
        id=first.id,
        speaker=first.speaker,
        duration_s=first.duration_s,
        audio=place.audio if place else None,
        start_s=(place and place.start_s) or 0.0,
        reference=first.reference,
        words=len(reference.split()),
        characters=len(characters(reference)),
        heard=[_system_transcript(reference, row, normalize, unit) for row in rows],
    )


def _system_transcript(
    reference: str, row: UtteranceRow, normalize: Callable[[str], str], unit: Unit
) -> SystemTranscript:
    hypothesis = normalize(row.hypothesis)
    return SystemTranscript(
        text=row.hypothesis,
        word_errors=count_errors(reference.split(), hypothesis.split()).errors,
        character_errors=count_errors(characters(reference), characters(hypothesis)).errors,
        looped=row.looped,
        pieces=_joined(align(tokens(reference, unit), tokens(hypothesis, unit)), unit),
    )


def _joined(pieces: Sequence[Piece], unit: Unit) -> list[list[str]]:
    """Join neighbouring pieces that are equal in both texts, so that there are fewer."""
    space = " " if unit == "word" else ""
    found: list[list[str]] = []
    for kind, reference, hypothesis in pieces:
        if kind == "=" and found and found[-1][0] == "=":
            found[-1][1] += space + reference
        else:
            found.append([kind, reference] if kind == "=" else [kind, reference, hypothesis])
    return found
