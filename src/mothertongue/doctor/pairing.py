"""Compare all pairs of clips and transcripts: does each transcript fit its own clip? No torch.

Row i of the matrix is the text that was recognized in clip i, column j the transcript of clip j.
N-grams choose a few candidates in each row and column. Their likeness to the clip is compared with
the likeness that the most similar unrelated text reaches by chance, in this corpus and with this
model.
N clips, D features, B rows of a block, K candidates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mothertongue.doctor.findings import ExaminedClip, Finding
from mothertongue.doctor.similarity import (
    BLOCK,
    SAME_TEXT,
    Floats,
    bare_letters,
    likeness,
    text_vectors,
)
from mothertongue.doctor.statistics import chance_level

Integers = np.ndarray[Any, np.dtype[np.int64]]
MIN_CLIPS = 12  # fewer texts are too few to estimate chance
CANDIDATES = 4
ALPHA = 1e-3
"""How often the most similar of all unrelated texts may count as a fit: once in 1,000 clips."""
MAX_BETWEEN = 0.2
"""UNMATCHED is reported only if the clips between a fit and chance are at most this share of the
clips that fit."""
UNMATCHED_SHARE = 0.25
"""A transcript that fits nothing is at most this share of the way from chance to a usual fit."""
MIN_LETTERS = 8  # a shorter transcript is too easily similar to another


@dataclass(frozen=True, slots=True)
class Vectors:
    """Recognized texts and transcripts of N clips: unit vectors, and centered ones.

    The product of centered vectors is the cosine without the means of its row and its column. This
    matters because long texts are a little similar to all others.
    """

    said_ND: Floats
    heard_centered_ND: Floats
    said_centered_ND: Floats


@dataclass(frozen=True, slots=True)
class Fit:
    """The likeness of N transcripts and N recognized texts, from 0 to 1."""

    own_N: Floats
    text_N: Floats
    """The likeness of the text recognized in clip i to the most similar other transcript."""
    text_at_N: Integers
    """The number of that transcript's clip."""
    clip_N: Floats
    """The likeness of transcript i to the most similar text recognized in another clip."""
    clip_at_N: Integers
    chance: float
    """The likeness that the most similar of all unrelated texts exceeds with probability ALPHA."""
    usual_chance: float
    """The likeness that it exceeds in half of the clips."""
    usual_cosine: float
    """The centered cosine that the most similar unrelated text exceeds in half of the clips."""

    @property
    def fits_N(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return whether each transcript fits its own clip better than chance gives any text."""
        return self.own_N > self.chance

    @property
    def unmatched(self) -> float:
        """The likeness below which a transcript fits its clip no better than any other text."""
        if not self.fits_N.any():
            return self.usual_chance
        usual_fit = float(np.median(self.own_N[self.fits_N]))
        return self.usual_chance + UNMATCHED_SHARE * (usual_fit - self.usual_chance)


def vectors_of(clips: Sequence[ExaminedClip]) -> Vectors:
    """Return the vectors of clips of one language."""
    texts = [clip.text for clip in clips]
    said_ND = text_vectors(texts, texts)
    heard_ND = text_vectors([clip.heard.text for clip in clips], texts)
    return Vectors(said_ND, heard_ND - heard_ND.mean(axis=0), said_ND - said_ND.mean(axis=0))


def fit_of(clips: Sequence[ExaminedClip], vectors: Vectors) -> Fit:
    """Compare the texts recognized in N clips of one language with their N transcripts."""
    texts, heard = [clip.text for clip in clips], [clip.heard.text for clip in clips]
    own_N = np.array([likeness(*pair) for pair in zip(heard, texts, strict=True)], np.float32)
    heard_ND, said_ND = vectors.heard_centered_ND, vectors.said_centered_ND
    rows = _likest(heard, texts, _candidates(heard_ND, said_ND, vectors), own_N, vectors)
    columns = _likest(texts, heard, _candidates(said_ND, heard_ND, vectors), own_N, vectors)
    _tell_each_other(rows, columns)
    unrelated = np.concatenate([rows.unrelated_N, columns.unrelated_N])
    return Fit(
        own_N=own_N,
        text_N=rows.best_N,
        text_at_N=rows.best_at_N,
        clip_N=columns.best_N,
        clip_at_N=columns.best_at_N,
        chance=chance_level(unrelated, ALPHA),
        usual_chance=float(np.median(unrelated)),
        usual_cosine=float(np.median(rows.cosine_N)),
    )


@dataclass(frozen=True, slots=True)
class _Candidates:
    at_NK: Integers
    cosine_NK: Floats


@dataclass(frozen=True, slots=True)
class _Likest:
    best_N: Floats
    best_at_N: Integers
    unrelated_N: Floats
    cosine_N: Floats


def _candidates(x_ND: Floats, y_ND: Floats, vectors: Vectors) -> _Candidates:
    """Return, for each row of x, the numbers of the K other rows of y with the largest product.

    The same sentence, read twice, does not count as another text.
    """
    blocks = []
    for start in range(0, len(x_ND), BLOCK):
        rows_B = np.arange(start, min(start + BLOCK, len(x_ND)))
        fit_BN = x_ND[rows_B] @ y_ND.T
        fit_BN[vectors.said_ND[rows_B] @ vectors.said_ND.T > SAME_TEXT] = -np.inf
        fit_BN[rows_B - start, rows_B] = -np.inf
        at_BK = np.argsort(-fit_BN, axis=1, kind="stable")[:, :CANDIDATES]
        blocks.append((at_BK, np.take_along_axis(fit_BN, at_BK, axis=1)))
    return _Candidates(*(np.concatenate(column) for column in zip(*blocks, strict=True)))


def _likest(
    x: Sequence[str], y: Sequence[str], candidates: _Candidates, own_N: Floats, vectors: Vectors
) -> _Likest:
    """Return the most similar candidate of each text of x, and the most similar unrelated one.

    If a text is even more similar to its own partner, both are the same candidate. Otherwise the
    unrelated one must be another sentence than the most similar one.
    """
    found = []
    for text, at_K, cosine_K, own in zip(
        x, candidates.at_NK, candidates.cosine_NK, own_N, strict=True
    ):
        like_K = np.array([likeness(text, y[at]) for at in at_K], np.float32)
        like_K[np.isneginf(cosine_K)] = 0.0
        best = int(like_K.argmax())
        is_unrelated_K = np.ones(len(at_K), np.bool_)
        if like_K[best] > own:
            is_unrelated_K = vectors.said_ND[at_K] @ vectors.said_ND[at_K[best]] <= SAME_TEXT
            is_unrelated_K[best] = False
        unrelated = like_K[is_unrelated_K].max(initial=0.0)
        cosine = cosine_K[is_unrelated_K].max(initial=-1.0)
        found.append((like_K[best], at_K[best], unrelated, cosine))
    return _Likest(*(np.array(column) for column in zip(*found, strict=True)))


def _tell_each_other(rows: _Likest, columns: _Likest) -> None:
    """Give each side the pairs that were candidates only of the other side."""
    for mine, other in ((rows, columns), (columns, rows)):
        for i, j in enumerate(other.best_at_N.tolist()):
            if other.best_N[i] > mine.best_N[j]:
                mine.best_N[j], mine.best_at_N[j] = other.best_N[i], i


def pairing_findings(clips: Sequence[ExaminedClip], fit: Fit) -> Iterator[Finding]:
    """Yield MISPAIRED and UNMATCHED findings for the clips of one language.

    A transcript is MISPAIRED if it does not fit its own clip, and either it fits another clip or
    the text recognized in its clip fits another transcript.
    """
    can_tell = tells_unmatched(fit)
    for i, clip in enumerate(clips):
        if fit.fits_N[i]:
            continue
        facts: dict[str, Any] = {}
        if fit.clip_N[i] > fit.chance:
            facts["belongs_to"] = clips[fit.clip_at_N[i]].id
        if fit.text_N[i] > fit.chance:
            facts["says"] = clips[fit.text_at_N[i]].id
        own, best = float(fit.own_N[i]), float(max(fit.text_N[i], fit.clip_N[i]))
        numbers = {"likeness": round(own, 3), "best_likeness": round(best, 3)}
        if facts:
            yield Finding(
                clip.id,
                "MISPAIRED",
                0.5 + 0.5 * (best - own) / best,
                _message(facts),
                facts | numbers,
            )
        elif can_tell and own < fit.unmatched and len(bare_letters(clip.text)) >= MIN_LETTERS:
            strength = 1 - 0.5 * own / fit.unmatched
            message = "what is recognized is as unlike it as any other transcript is"
            yield Finding(clip.id, "UNMATCHED", strength, message, numbers)


def tells_unmatched(fit: Fit) -> bool:
    """Return whether the model knows the language well enough to report that nothing fits.

    If it does, few clips lie between those that fit clearly and those that fit like any text.
    """
    between = (fit.own_N > fit.unmatched) & ~fit.fits_N
    return bool(between.sum() <= MAX_BETWEEN * fit.fits_N.sum())


def _message(facts: dict[str, Any]) -> str:
    parts = []
    if "belongs_to" in facts:
        parts.append(f"the transcript fits clip {facts['belongs_to']}")
    if "says" in facts:
        parts.append(f"what is said is the transcript of {facts['says']}")
    return "; ".join(parts)
