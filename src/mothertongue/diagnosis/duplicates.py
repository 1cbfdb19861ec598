"""Find almost the same text or sound in two splits: such clips make scores too good. No torch.

`prepare` finds equal samples and equal sentences. This module finds one recording with another
codec, gain or cut, and sentences that differ in a few letters.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from mothertongue.data.manifest import SPLITS
from mothertongue.diagnosis.findings import ExaminedClip, Finding, score_of
from mothertongue.diagnosis.fingerprints import near_duplicates
from mothertongue.diagnosis.similarity import BLOCK, SAME_TEXT, bare_letters, text_vectors
from mothertongue.evaluation.metrics import count_errors

MAX_TEXT_ERRORS = 0.1
"""The share of letters that may differ: a corrected spelling, or another name. Short prompts differ
in more."""


def duplicate_findings(clips: Sequence[ExaminedClip]) -> Iterator[Finding]:
    """Yield NEAR-DUPLICATE findings, on the less held-out clip of a pair; test is held out most.

    Of many clips that are almost the same as it, the nearest is named: in a corpus of single words
    the pairs would be millions.
    """
    seen = set()
    nearest: dict[tuple[str, str], Finding] = {}

    def keep(a: int, b: int, share: float, what: str) -> None:
        found = _finding(clips[a], clips[b], 1 - share, what)
        before = nearest.setdefault((what, found.id), found)
        if found.score > before.score:
            nearest[what, found.id] = found

    for a, b, share in near_duplicates([clip.heard.fingerprint for clip in clips]):
        if clips[a].utterance.split != clips[b].utterance.split:
            seen.add((a, b))
            keep(a, b, share, "sound")
    for a, b, share in near_texts(clips):
        if (a, b) not in seen:
            keep(a, b, share, "text")
    yield from nearest.values()


def near_texts(clips: Sequence[ExaminedClip]) -> Iterator[tuple[int, int, float]]:
    """Yield pairs of clips of two splits with almost the same letters, and the differing share."""
    texts = [clip.text for clip in clips]
    letters = [bare_letters(text) for text in texts]
    splits = np.array([SPLITS.index(clip.utterance.split) for clip in clips])
    x_ND = text_vectors(texts, texts)
    for start in range(0, len(clips), BLOCK):
        near_BN = x_ND[start : start + BLOCK] @ x_ND.T > SAME_TEXT
        near_BN &= splits[start : start + BLOCK, None] < splits
        for row, b in zip(*np.nonzero(near_BN), strict=True):
            a = start + int(row)
            share = count_errors(list(letters[a]), list(letters[b])).rate
            if share <= MAX_TEXT_ERRORS:
                yield min(a, int(b)), max(a, int(b)), share


def _finding(a: ExaminedClip, b: ExaminedClip, strength: float, what: str) -> Finding:
    clip, other = sorted((a, b), key=lambda each: SPLITS.index(each.utterance.split))
    message = f"its {what} is almost that of {other.id}, in {other.utterance.split}"
    return Finding(
        clip.id,
        code := "NEAR-DUPLICATE",
        score_of(code, strength),
        message,
        duplicate_of=other.id,
        duplicate=what,
        likeness=round(strength, 3),
    )
