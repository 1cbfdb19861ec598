"""Score the transcripts of long recordings whose text is known in parts. No torch.

A part is a clip of which a recording was joined, or a line of a recording's text. There are few
long recordings, so intervals draw parts: the tokens of a whole recording are aligned once, and an
error counts for the part in whose text it is.

P parts of all recordings, C counted columns, R bootstrap resamples.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from statistics import median
from typing import Any

import numpy as np

from mothertongue.data.languages import Measure, separator
from mothertongue.decoding.word_timestamps import Word
from mothertongue.evaluation.error_alignment import Unit, align, tokens, unit_of
from mothertongue.evaluation.metrics import (
    BOUNDS,
    Integers,
    bootstrap_interval,
    count_errors,
    resampled_totals,
    score,
    sentences,
)
from mothertongue.evaluation.normalizers import NORMALIZERS, Normalizer, characters, normalizer
from mothertongue.evaluation.rates import Interval, Score
from mothertongue.evaluation.records import Ratio, TimeErrors
from mothertongue.model.context import Context

Split = Callable[[str], list[str]]
"""Splits normalized text into the tokens that a rate counts: words or characters."""
MEASURES: dict[Measure, Split] = {"wer": str.split, "cer": characters}


@dataclass(frozen=True, slots=True)
class LongTranscript:
    """A recording with the texts of its parts, and what was recognized in it."""

    id: str
    language: str
    texts: tuple[str, ...]
    hypothesis: str
    duration_s: float
    words: tuple[Word, ...] | None = None
    """The recognized words with their times; None where the engine gives none."""
    speech_s: tuple[tuple[float, float], ...] | None = None
    """The start and end of the speech of each part, in seconds; None where it is not known."""

    @property
    def reference(self) -> str:
        """Return the whole text."""
        return separator(self.language).join(self.texts)


def part_errors(found: LongTranscript, normalize: Normalizer, split: Split) -> Integers:
    """Return the errors and the reference tokens of each part, (P, 2)."""
    texts = accumulate(found.texts, lambda a, b: a + separator(found.language) + b)
    ends = [len(split(normalize(text))) for text in texts]
    counts_P2 = np.stack([np.zeros(len(ends), np.int64), np.diff(ends, prepend=0)], axis=1)
    pieces = align(split(normalize(found.reference)), split(normalize(found.hypothesis)))
    place = 0
    for piece in pieces:
        part = min(bisect_right(ends, place), len(ends) - 1)  # what follows the end is the last's
        counts_P2[part, 0] += piece.kind != "="
        place += piece.kind != "+"
    return counts_P2


def long_scores(found: Sequence[LongTranscript], context: Context) -> dict[str, Score]:
    """Return the score under every normalizer, by its name.

    Rates are those of whole recordings, `n` of them. Intervals draw parts, of equal texts together.
    Raises DataError where no text has a word.
    """
    references = [each.reference for each in found]
    hypotheses = [each.hypothesis for each in found]
    texts = [text for each in found for text in each.texts]
    scores = {}
    for name in NORMALIZERS:
        normalize = normalizer(name)
        groups = sentences([normalize(text) for text in texts])
        wer, cer = (_part_interval(found, normalize, split, groups) for split in MEASURES.values())
        whole = score(references, hypotheses, None, normalize, context)
        scores[name] = replace(whole, interval95=wer, cer_interval95=cer)
    return scores


def _part_interval(
    found: Sequence[LongTranscript], normalize: Normalizer, split: Split, groups: Sequence[object]
) -> Interval:
    parts_P2 = np.concatenate([part_errors(each, normalize, split) for each in found])
    return bootstrap_interval(parts_P2[:, 0], parts_P2[:, 1], groups)


def rate_ratio(found: Sequence[LongTranscript], alone: Sequence[str], measure: Measure) -> Ratio:
    """Return the rate of recordings by the rate of their parts alone, with its 95 % interval.

    `alone` are the transcripts of the P parts, each decoded by itself. Under normalizer strict;
    both rates of a resample are of the same parts. The ratio is None where no part has an error.
    """
    normalize, split = normalizer("strict"), MEASURES[measure]
    texts = [text for each in found for text in each.texts]
    counts = [
        count_errors(split(normalize(text)), split(normalize(heard)))
        for text, heard in zip(texts, alone, strict=True)
    ]
    alone_P2 = np.array([(each.errors, each.reference_length) for each in counts])
    joined_P2 = np.concatenate([part_errors(each, normalize, split) for each in found])
    columns_PC = np.concatenate([joined_P2, alone_P2], axis=1).astype(np.float64)
    if not alone_P2[:, 0].sum():
        return Ratio(measure, None, None)
    groups = sentences([normalize(text) for text in texts])
    totals_RC = resampled_totals(columns_PC, groups, seed=0, resamples=1000)
    # A draw without any error says nothing of the ratio.
    low, high = np.quantile(_ratio(totals_RC[totals_RC[:, 0] + totals_RC[:, 2] > 0]), BOUNDS)
    ratio = float(_ratio(columns_PC.sum(axis=0)[None])[0])
    return Ratio(measure, ratio, (float(low), float(high)))


def _ratio(totals_RC: "np.ndarray[Any, np.dtype[np.float64]]") -> Any:
    joined, length, alone, alone_length = totals_RC.T
    # A draw without an error alone has one: its ratio is large, and finite.
    return (joined / np.maximum(length, 1)) / (np.maximum(alone, 1) / np.maximum(alone_length, 1))


def time_errors(found: Sequence[LongTranscript]) -> TimeErrors | None:
    """Return the median distance of the first and last word of each part from its speech, in s.

    Only of parts whose first or last word was recognized, under normalizer strict; the numbers of
    these are beside it. None where no recording has times.
    """
    timed = [each for each in found if each.words is not None and each.speech_s is not None]
    if not timed:
        return None
    starts = [each for one in timed for each in _edges(one, 0)]
    ends = [each for one in timed for each in _edges(one, -1)]
    return TimeErrors(
        parts=sum(len(each.texts) for each in timed),
        starts_found=len(starts),
        median_start_error_s=median(starts) if starts else None,
        ends_found=len(ends),
        median_end_error_s=median(ends) if ends else None,
    )


def _edges(found: LongTranscript, edge: int) -> Iterator[float]:
    """Yield how far the first (edge 0) or last (-1) word of each part is from its speech."""
    assert found.words is not None and found.speech_s is not None
    unit = unit_of(found.language)
    heard = [(each, word) for word in found.words for each in _tokens(word.text, unit)]
    parts = [_tokens(text, unit) for text in found.texts]
    matched = dict(_matches([each for said in parts for each in said], [each for each, _ in heard]))
    begins = accumulate(map(len, parts), initial=0)
    for begin, said, speech_s in zip(begins, parts, found.speech_s, strict=False):
        place = begin + len(said) - 1 if edge else begin
        if said and place in matched:
            word = heard[matched[place]][1]
            yield abs((word.end_s if edge else word.start_s) - speech_s[edge])


def _matches(reference: Sequence[str], heard: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the places of equal tokens in the reference and in what was heard."""
    at, heard_at = 0, 0
    for piece in align(reference, heard):
        if piece.kind == "=":
            yield at, heard_at
        at += piece.kind != "+"
        heard_at += piece.kind != "-"


def _tokens(text: str, unit: Unit) -> list[str]:
    return tokens(normalizer("strict")(text), unit)
