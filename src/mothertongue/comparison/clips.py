"""Collect every test clip with each system's transcript, aligned to its reference.

The record has the path of each clip's audio, not the audio. No torch.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mothertongue.comparison.paired_scores import PRIMARY_NORMALIZER
from mothertongue.data.languages import Measure
from mothertongue.data.manifest import Utterance, read_data
from mothertongue.evaluation.error_alignment import Piece, Unit, align, tokens, unit_of
from mothertongue.evaluation.metrics import Row, count_errors
from mothertongue.evaluation.normalizers import characters, normalizer
from mothertongue.system.json_files import FORMAT_VERSION

Json = dict[str, Any]


def clip_set(
    language: str,
    name: str,
    manifests: Sequence[Path],
    systems: Mapping[str, Sequence[Row]],
    measure: Measure,
) -> Json:
    """Return one test set in the order of the rows; each system has rows for the same clips.

    Of several seeds the rows are the first one's. Errors are counted under PRIMARY_NORMALIZER, and
    texts are aligned as it leaves them: `pieces` are triples of kind, reference and hypothesis,
    equal tokens in a row as one. `measure` is the rate that clips are sorted by.
    """
    places = {each.id: each for each in read_data(manifests)}
    names = list(systems)
    unit = unit_of(systems[names[0]][0]["language"])
    return {
        "format_version": FORMAT_VERSION,
        "language": language,
        "name": name,
        "normalizer": PRIMARY_NORMALIZER,
        "unit": unit,
        "measure": measure,
        "systems": names,
        "clips": [
            _clip(places.get(rows[0]["id"]), rows, unit)
            for rows in zip(*systems.values(), strict=True)
        ],
    }


def _clip(place: Utterance | None, rows: Sequence[Row], unit: Unit) -> Json:
    first = rows[0]
    normalize = normalizer(PRIMARY_NORMALIZER)
    reference = normalize(first["reference"])
    return {
        "id": first["id"],
        "speaker": first["speaker"],
        "duration_s": first["duration_s"],
        "audio": place.audio if place else None,
        "start_s": (place and place.start_s) or 0.0,
        "reference": first["reference"],
        "words": len(reference.split()),
        "characters": len(characters(reference)),
        "heard": [_system_transcript(reference, row, normalize, unit) for row in rows],
    }


def _system_transcript(
    reference: str, row: Row, normalize: Callable[[str], str], unit: Unit
) -> Json:
    hypothesis = normalize(row["hypothesis"])
    return {
        "text": row["hypothesis"],
        "word_errors": count_errors(reference.split(), hypothesis.split()).errors,
        "character_errors": count_errors(characters(reference), characters(hypothesis)).errors,
        "looped": bool(row["looped"]),
        "pieces": _joined(align(tokens(reference, unit), tokens(hypothesis, unit)), unit),
    }


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
