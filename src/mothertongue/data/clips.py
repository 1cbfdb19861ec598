"""The clips of a split, and their samples. No torch."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mothertongue.data.audio.load import SAMPLE_RATE_HZ, AudioError, load_audio
from mothertongue.data.augment.config import LONGEST_S
from mothertongue.data.manifest import Split, Utterance, duration_tolerance_s, read_data
from mothertongue.data.pseudo_labels import SCORES_NOTHING
from mothertongue.errors import DataError

Samples = np.ndarray[Any, np.dtype[np.float32]]


def read_split(data: Sequence[Path], split: Split, language: str | None) -> list[Utterance]:
    """Return the utterances of a split to score, with `language` for all if it is given.

    Raises DataError naming the splits there are when this one is empty, and for pseudo-labels and
    clips of over 30 s.
    """
    utterances = read_data(data)
    chosen = [each for each in utterances if each.split == split]
    if not chosen:
        found = ", ".join(sorted({each.split for each in utterances})) or "no utterances"
        names = ", ".join(map(str, data))
        raise DataError(f"{names}: no utterance in split {split!r}; found {found}")
    _refuse_pseudo_labels(data, chosen)
    refuse_long(data, chosen)
    return [replace(each, language=language) for each in chosen] if language else chosen


def refuse_long(data: Sequence[Path], utterances: Sequence[Utterance]) -> None:
    """Raise DataError for clips of over 30 s: Whisper's positions hold no more."""
    if long := [each for each in utterances if each.duration_s > LONGEST_S]:
        raise DataError(
            f"{', '.join(map(str, data))}: {len(long):,} clips have more than {LONGEST_S:.0f} s, "
            f"such as {long[0].id} with {long[0].duration_s:.2f} s; Whisper takes no more: cut "
            "them, or let mothertongue prepare reject them"
        )


def _refuse_pseudo_labels(data: Sequence[Path], chosen: Sequence[Utterance]) -> None:
    if found := [each.id for each in chosen if each.is_pseudo_labelled]:
        raise DataError(
            f"{', '.join(map(str, data))}: {len(found):,} of the {len(chosen):,} utterances to "
            f"score have pseudo-labels, such as {found[0]}; expected none: {SCORES_NOTHING}"
        )


def load_clip(root: Path, utterance: Utterance) -> Samples:
    """Return the samples of an utterance, float32 (N,) at 16 kHz; `root` is its manifest's folder.

    Raises AudioError as `load_audio` does, and DataError where the utterance is a whole file that
    is not as long as the manifest states: its transcript would say more than its samples.
    """
    path = root / utterance.audio
    if utterance.start_s is None:
        return _whole_file(path, utterance)
    return load_audio(path, utterance.start_s, utterance.duration_s)


def _whole_file(path: Path, utterance: Utterance) -> Samples:
    stated_s = utterance.duration_s
    tolerance_s = duration_tolerance_s(stated_s)
    try:
        samples_N = load_audio(path, max_duration_s=stated_s + tolerance_s)
    except AudioError as error:
        if error.code != "AUD-LONG":
            raise
        raise _wrong_duration(path, utterance, "more than that") from None
    found_s = len(samples_N) / SAMPLE_RATE_HZ
    if found_s < stated_s - tolerance_s:
        raise _wrong_duration(path, utterance, f"{found_s:.2f} s")
    # Within the tolerance the stated duration is kept: the clip's context was chosen by it.
    return samples_N[: round(stated_s * SAMPLE_RATE_HZ)]


def _wrong_duration(path: Path, utterance: Utterance, found: str) -> DataError:
    return DataError(
        f"{utterance.id}: {path} has {found}, but the manifest states duration_s "
        f"{utterance.duration_s:.2f}; expected the duration of the whole file, or start_s too "
        "where the clip is a part of it; mothertongue check counts such clips, and mothertongue "
        "prepare writes a manifest with the durations that it finds"
    )
