"""Every test clip with each system's transcript, aligned to its reference, for people to read.

The record holds no audio, only the path of each clip's. No torch.
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
    """One test set: the clips in the order of the rows, which are each system's on the same clips.

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
    said = normalize(first["reference"])
    return {
        "id": first["id"],
        "speaker": first["speaker"],
        "duration_s": first["duration_s"],
        "audio": place.audio if place else None,
        "start_s": (place and place.start_s) or 0.0,
        "reference": first["reference"],
        "words": len(said.split()),
        "characters": len(characters(said)),
        "heard": [_heard(said, row, normalize, unit) for row in rows],
    }


def _heard(said: str, row: Row, normalize: Callable[[str], str], unit: Unit) -> Json:
    heard = normalize(row["hypothesis"])
    return {
        "text": row["hypothesis"],
        "word_errors": count_errors(said.split(), heard.split()).errors,
        "character_errors": count_errors(characters(said), characters(heard)).errors,
        "looped": bool(row["looped"]),
        "pieces": _joined(align(tokens(said, unit), tokens(heard, unit)), unit),
    }


def _joined(pieces: Sequence[Piece], unit: Unit) -> list[list[str]]:
    """The pieces with neighbours that are equal in both texts as one: fewer to write down."""
    space = " " if unit == "word" else ""
    found: list[list[str]] = []
    for kind, said, heard in pieces:
        if kind == "=" and found and found[-1][0] == "=":
            found[-1][1] += space + said
        else:
            found.append([kind, said] if kind == "=" else [kind, said, heard])
    return found
