"""Compare all pairs of clips and transcripts: does each transcript fit its own clip? No torch.

Row i of the matrix is the text that was recognized in clip i, column j the transcript of clip j.
N-grams choose a few candidates in each row and column; the edit distance orders them. A transcript
fits its own clip if each is the most similar one to the other: no level has to be set for that,
and of N unrelated texts it happens to one in N. Another pair counts if each is the most similar one
to the other by a clear margin. The margins of the pairs that come next, which are unrelated, tell
which margin is clear in this corpus and with this model.
N clips, D features, B rows of a block, K candidates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mothertongue.diagnosis.findings import ExaminedClip, Finding, score_of
from mothertongue.diagnosis.similarity import (
    BLOCK,
    SAME_TEXT,
    Floats,
    bare_letters,
    likeness,
    text_vectors,
)
from mothertongue.diagnosis.statistics import MAD_TO_SD, discoveries

Integers = np.ndarray[Any, np.dtype[np.int64]]
Booleans = np.ndarray[Any, np.dtype[np.bool_]]
MIN_CLIPS = 20  # p of a pair is never below 1 / (clips + 1)
CANDIDATES = 16
"""So many, that the most similar of all texts is almost always one of them."""
FALSE_SHARE = 0.05
"""The largest expected share of wrong pairs among those that are reported."""
SPREADS = 2.5
"""UNMATCHED is reported only if its level is this many standard deviations below a usual fit."""
UNMATCHED_SHARE = 0.25
"""A transcript that fits nothing is at most this share of the way from chance to a usual fit."""
MIN_LETTERS = 8  # a shorter transcript is too easily similar to another
LEAST_HEARD = 1 / 3
"""UNMATCHED is reported only if the recognized text has at least this share of the transcript's
letters: a model that stopped early did not hear what it should be compared with."""
NONE = -1  # the number of no clip


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
class Nearest:
    """The three most similar partners of N texts, of different sentences, the best first."""

    like_N3: Floats
    at_N3: Integers


@dataclass(frozen=True)
class Fit:
    """How N transcripts and N recognized texts fit each other."""

    own_N: Floats
    """The likeness of each transcript to the text recognized in its clip, from 0 to 1."""
    texts: Nearest
    """The transcripts that are most similar to the text recognized in clip i."""
    clips: Nearest
    """The clips whose recognized text is most similar to transcript i."""

    @cached_property
    def fits_N(self) -> Booleans:
        """Whether each transcript and its clip are most similar to each other."""
        numbers_N = np.arange(len(self.own_N))
        is_first_N = (self.texts.at_N3[:, 0] == numbers_N) & (self.clips.at_N3[:, 0] == numbers_N)
        return np.asarray(is_first_N & (self.own_N > 0))

    @cached_property
    def p_N(self) -> Floats:
        """The p value of the pair of clip i and the transcript most similar to it; 1 if they fit.

        It is the share of unrelated pairs whose margin is at least as large: of the pairs that are
        the second choice of both sides.
        """
        chance_N = np.sort(self._margins(1))
        at_least_N = len(chance_N) - np.searchsorted(chance_N, self._margins(0), side="left")
        p_N = (1 + at_least_N) / (1 + len(chance_N))
        return np.where(self.fits_N, 1.0, p_N).astype(np.float32)

    @cached_property
    def says_N(self) -> Integers:
        """The number of the clip whose transcript clip i clearly contains; NONE if there is none.

        Benjamini and Hochberg 1995 bound the share of wrong pairs.
        """
        found_N = np.full(len(self.own_N), NONE)
        open_N = np.flatnonzero(~self.fits_N)
        clear_N = open_N[discoveries(self.p_N[open_N], FALSE_SHARE)]
        found_N[clear_N] = self.texts.at_N3[clear_N, 0]
        found_N[found_N == np.arange(len(found_N))] = NONE
        return found_N

    @cached_property
    def belongs_to_N(self) -> Integers:
        """The number of the clip that clearly contains transcript i; NONE if there is none."""
        found_N = np.full(len(self.own_N), NONE)
        clips_C = np.flatnonzero(self.says_N != NONE)
        found_N[self.says_N[clips_C]] = clips_C
        return found_N

    @property
    def usual_chance(self) -> float:
        """The likeness that the most similar unrelated text exceeds in half of the cases."""
        seconds = np.concatenate([self.texts.like_N3[:, 1], self.clips.like_N3[:, 1]])
        return float(np.median(seconds))

    @property
    def unmatched(self) -> float:
        """The likeness below which a transcript fits its clip no better than any other text."""
        if not self.fits_N.any():
            return self.usual_chance
        usual_fit = float(np.median(self.own_N[self.fits_N]))
        return self.usual_chance + UNMATCHED_SHARE * (usual_fit - self.usual_chance)

    def _margins(self, place: int) -> Floats:
        """Return by how much the pair at a place of row i exceeds its rivals; 0 if it does not.

        Its rivals are the next pairs of its row and of its column.
        """
        partner_N = self.texts.at_N3[:, place]
        is_mutual_N = self.clips.at_N3[partner_N, place] == np.arange(len(partner_N))
        rival_N = np.maximum(
            self.texts.like_N3[:, place + 1], self.clips.like_N3[partner_N, place + 1]
        )
        margin_N = np.maximum(self.texts.like_N3[:, place] - rival_N, 0)
        return np.where(is_mutual_N & (partner_N != NONE), margin_N, 0).astype(np.float32)


def vectors_of(clips: Sequence[ExaminedClip]) -> Vectors:
    """Return the vectors of clips of one language."""
    texts = [clip.text for clip in clips]
    said_ND = text_vectors(texts, texts)
    heard_ND = text_vectors([clip.heard.text for clip in clips], texts)
    return Vectors(said_ND, heard_ND - heard_ND.mean(axis=0), said_ND - said_ND.mean(axis=0))


def fit_of(clips: Sequence[ExaminedClip], vectors: Vectors) -> Fit:
    """Compare the texts recognized in N clips of one language with their N transcripts."""
    texts, heard = [clip.text for clip in clips], [clip.heard.text for clip in clips]
    heard_ND, said_ND = vectors.heard_centered_ND, vectors.said_centered_ND
    pairs = {(i, i) for i in range(len(clips))}
    pairs |= set(_candidates(heard_ND, said_ND, vectors))
    pairs |= {(i, j) for j, i in _candidates(said_ND, heard_ND, vectors)}
    like = {(i, j): likeness(heard[i], texts[j]) for i, j in sorted(pairs)}
    return Fit(
        own_N=np.array([like[i, i] for i in range(len(clips))], np.float32),
        texts=_nearest(like, vectors),
        clips=_nearest({(j, i): value for (i, j), value in like.items()}, vectors),
    )


def _candidates(x_ND: Floats, y_ND: Floats, vectors: Vectors) -> Iterator[tuple[int, int]]:
    """Yield, for each row of x, the pairs with the K other rows of y of the largest product.

    The same sentence, read twice, does not count as another text.
    """
    for start in range(0, len(x_ND), BLOCK):
        rows_B = np.arange(start, min(start + BLOCK, len(x_ND)))
        fit_BN = x_ND[rows_B] @ y_ND.T
        fit_BN[vectors.said_ND[rows_B] @ vectors.said_ND.T > SAME_TEXT] = -np.inf
        fit_BN[rows_B - start, rows_B] = -np.inf
        at_BK = np.argsort(-fit_BN, axis=1, kind="stable")[:, :CANDIDATES]
        for row, at_K in zip(rows_B, at_BK, strict=True):
            yield from ((int(row), int(at)) for at in at_K if fit_BN[row - start, at] > -np.inf)


def _nearest(like: dict[tuple[int, int], float], vectors: Vectors) -> Nearest:
    """Return the most similar partners of the first number of each pair."""
    partners: list[list[tuple[float, int]]] = [[] for _ in vectors.said_ND]
    for (i, j), value in like.items():
        partners[i].append((value, j))
    like_N3 = np.zeros((len(partners), 3), np.float32)
    at_N3 = np.full((len(partners), 3), NONE)
    for i, found in enumerate(partners):
        kept = list[int]()
        for value, j in sorted(found, key=lambda each: (-each[0], each[1] != i)):
            if len(kept) < 3 and not _is_same(j, kept, vectors):
                like_N3[i, len(kept)], at_N3[i, len(kept)] = value, j
                kept.append(j)
    return Nearest(like_N3, at_N3)


def _is_same(j: int, others: Sequence[int], vectors: Vectors) -> bool:
    """Return whether transcript j is the same sentence as one of the others."""
    return bool((vectors.said_ND[list(others)] @ vectors.said_ND[j] > SAME_TEXT).any())


def pairing_findings(clips: Sequence[ExaminedClip], fit: Fit) -> Iterator[Finding]:
    """Yield MISPAIRED and UNMATCHED findings for the clips of one language.

    A transcript is MISPAIRED if it does not fit its own clip, and either it clearly fits another
    clip or the text recognized in its clip clearly fits another transcript.
    """
    can_tell = tells_unmatched(fit)
    for i, clip in enumerate(clips):
        if fit.fits_N[i]:
            continue
        belongs_to, says = (
            clips[at].id if at != NONE else None for at in (fit.belongs_to_N[i], fit.says_N[i])
        )
        own = float(fit.own_N[i])
        best = float(max(fit.texts.like_N3[i, 0], fit.clips.like_N3[i, 0]))
        if belongs_to is not None or says is not None:
            code, strength = "MISPAIRED", 0.5 + 0.5 * (best - own) / best
            message = _message(belongs_to, says)
        elif can_tell and own < fit.unmatched and _can_be_compared(clip):
            code, strength = "UNMATCHED", 1 - 0.5 * own / fit.unmatched
            message = "what is recognized is as unlike it as any other transcript is"
        else:
            continue
        yield Finding(
            clip.id,
            code,
            score_of(code, strength),
            message,
            belongs_to=belongs_to,
            says=says,
            likeness=round(own, 3),
            best_likeness=round(best, 3),
        )


def _can_be_compared(clip: ExaminedClip) -> bool:
    said, heard = len(bare_letters(clip.text)), len(bare_letters(clip.heard.text))
    return said >= MIN_LETTERS and heard >= LEAST_HEARD * said


def tells_unmatched(fit: Fit) -> bool:
    """Return whether the model knows the language well enough to report that nothing fits.

    If it does, the likeness of a transcript that fits is almost never as low as `unmatched`.
    """
    fits_F = fit.own_N[fit.fits_N]
    if not len(fits_F):
        return False
    spread = MAD_TO_SD * float(np.median(np.abs(fits_F - np.median(fits_F))))
    return float(np.median(fits_F)) - fit.unmatched > SPREADS * spread


def _message(belongs_to: str | None, says: str | None) -> str:
    parts = []
    if belongs_to is not None:
        parts.append(f"the transcript fits clip {belongs_to}")
    if says is not None:
        parts.append(f"what is said is the transcript of {says}")
    return "; ".join(parts)
