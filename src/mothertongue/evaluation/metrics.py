"""Compute word and character error rates as counts, with bootstrap intervals.

Shape legend: N utterances, R bootstrap resamples, G groups (sentences or
speakers), C counted columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jiwer
import numpy as np
import numpy.typing as npt

from mothertongue.errors import DataError
from mothertongue.evaluation.normalizers import Normalizer, characters
from mothertongue.evaluation.rates import Interval, Score, UtteranceRow
from mothertongue.model.context import Context

Integers = npt.NDArray[np.int64]
Counts = Sequence[int] | Integers
Floats = npt.NDArray[np.float64]

# Percentiles of a two-sided 95 % interval.
BOUNDS = (0.025, 0.975)
# Draws held in memory at once, 8 bytes each: 16 MB whatever the size of the test set.
DRAWS_AT_ONCE = 2_000_000
UNCHANGED = jiwer.Compose([])


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """The edits of one minimal alignment of hypothesis to reference, in words or characters."""

    substitutions: int
    deletions: int
    insertions: int
    hits: int

    @property
    def reference_length(self) -> int:
        return self.substitutions + self.deletions + self.hits

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Return errors per reference token; without any, the number of insertions, as in jiwer."""
        return self.errors / max(self.reference_length, 1)

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.hits + other.hits,
        )


def count_errors(reference_tokens: Sequence[str], hypothesis_tokens: Sequence[str]) -> ErrorCounts:
    """Count the errors of one utterance at the smallest edit distance (Levenshtein, costs 1).

    Other aligners may share the same number of errors out differently between the three kinds.
    """
    found = aligned(reference_tokens, hypothesis_tokens)
    return ErrorCounts(found.substitutions, found.deletions, found.insertions, found.hits)


def aligned(reference_tokens: Sequence[str], hypothesis_tokens: Sequence[str]) -> jiwer.WordOutput:
    """Return an alignment with the fewest errors (Levenshtein, all costs 1)."""
    # jiwer is typed for text; without transforms it aligns the tokens it is given.
    reference: Any = [list(reference_tokens)]
    hypothesis: Any = [list(hypothesis_tokens)]
    return jiwer.process_words(reference, hypothesis, UNCHANGED, UNCHANGED)


class UtteranceErrors(NamedTuple):
    """Errors and reference lengths of N utterances, from which the bootstrap draws."""

    word_errors_N: Integers
    words_N: Integers
    character_errors_N: Integers
    characters_N: Integers


def utterance_errors(rows: Sequence[UtteranceRow], normalizer: Normalizer) -> UtteranceErrors:
    """Return the counts of each row of an evaluation, under any normalizer."""
    pairs = [(normalizer(row.reference), normalizer(row.hypothesis)) for row in rows]
    words_N = [count_errors(r.split(), h.split()) for r, h in pairs]
    characters_N = [count_errors(characters(r), characters(h)) for r, h in pairs]
    columns = *_columns(words_N), *_columns(characters_N)
    return UtteranceErrors(*(np.array(column, dtype=np.int64) for column in columns))


def score(
    references: Sequence[str],
    hypotheses: Sequence[str],
    speakers: Sequence[str | None] | None,
    normalizer: Normalizer,
    context: Context,
    seed: int = 0,
    resamples: int = 1000,
) -> Score:
    """Return WER and CER of N hypotheses over the whole corpus (not a mean of utterances).

    An utterance of unknown speaker is drawn as if somebody else had spoken it. Raises DataError
    without utterances, with unequal numbers of texts, and when no reference has a word.
    """
    _check(references, hypotheses, speakers)
    pairs = [(normalizer(r), normalizer(h)) for r, h in zip(references, hypotheses, strict=True)]
    words_N = [count_errors(r.split(), h.split()) for r, h in pairs]
    characters_N = [count_errors(characters(r), characters(h)) for r, h in pairs]
    words, letters = _total(words_N), _total(characters_N)
    if not words.reference_length:
        raise DataError(
            f"no word in {len(pairs)} references after normalizer {normalizer.name!r}; "
            "expected text; check the manifest with: mothertongue check"
        )

    def interval(counts_N: list[ErrorCounts], groups_N: Sequence[object] | None) -> Interval:
        errors_N, lengths_N = _columns(counts_N)
        return bootstrap_interval(errors_N, lengths_N, groups_N, seed, resamples)

    groups_N = _speaker_groups(speakers)
    texts_N = sentences([reference for reference, _ in pairs])
    return Score(
        wer=words.rate,
        cer=letters.rate,
        interval95=interval(words_N, texts_N),
        cer_interval95=interval(characters_N, texts_N),
        interval95_by_speaker=interval(words_N, groups_N) if groups_N else None,
        n=len(pairs),
        substitutions=words.substitutions,
        deletions=words.deletions,
        insertions=words.insertions,
        reference_words=words.reference_length,
        reference_characters=letters.reference_length,
        normalizer=normalizer.name,
        normalizer_version=normalizer.version,
        context="full" if context == "full" else "cut",
        empty_references=sum(not counts.reference_length for counts in words_N),
    )


def bootstrap_interval(
    errors_N: Counts,
    lengths_N: Counts,
    groups_N: Sequence[object] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> Interval:
    """Return the 95 % percentile interval of sum(errors) / sum(lengths) over draws of utterances.

    With groups_N (say, the speakers) whole groups are drawn, for errors within one are alike. A
    single utterance or group has no spread: its interval is as wide as a point and means nothing.
    Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance
    evaluation". Raises DataError for unequal or no counts, or no reference token at all.
    """
    columns_NC = _stack(lengths_N, errors_N)
    totals_RC = resampled_totals(columns_NC, groups_N, seed, resamples)
    return _bounds(totals_RC[:, 1] / _at_least_one(totals_RC[:, 0]))


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The rate of b minus the rate of a on the same utterances: below zero, b is better.

    `p` is two-sided: how often a difference so far from zero would arise by chance of the draw.
    """

    difference: float
    interval95: Interval
    p: float


def paired_bootstrap(
    errors_a_N: Counts,
    errors_b_N: Counts,
    lengths_N: Counts,
    groups_N: Sequence[object] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> PairedDifference:
    """Test whether system b differs from a, on the same draws of utterances or groups.

    p is twice the smaller share of draws on one side of zero (draws at zero are on both), each
    share with one draw added, so that it is never below 2 / (resamples + 1), nor below the
    sign_flip_bound. It says nothing of other seeds: see differences.py. Bisani and Ney 2004;
    Davison and Hinkley 1997, sec. 4.2, for the added draw. Errors as bootstrap_interval.
    """
    columns_NC = _stack(lengths_N, errors_a_N, errors_b_N)
    columns_GC = columns_NC if groups_N is None else sum_by_group(columns_NC, groups_N)
    length, errors_a, errors_b = columns_GC.sum(axis=0)
    totals_RC = resampled_totals(columns_GC, None, seed, resamples)
    differences_R = (totals_RC[:, 2] - totals_RC[:, 1]) / _at_least_one(totals_RC[:, 0])
    fewer = int(np.minimum((differences_R <= 0).sum(), (differences_R >= 0).sum()))
    p = max(2 * (fewer + 1) / (resamples + 1), sign_flip_bound(columns_GC[:, 2] - columns_GC[:, 1]))
    return PairedDifference(
        difference=float((errors_b - errors_a) / length),
        interval95=_bounds(differences_R),
        p=min(1.0, p),
    )


def sign_flip_bound(changes_G: Floats) -> float:
    """Return the smallest two-sided p that any test can give for these differences.

    Were there no difference, each sign would be as likely as the other: n units that differ have
    2**n patterns of signs, and the two extreme ones are 2 / 2**n of them.
    """
    return float(min(1.0, 2.0 ** (1 - np.count_nonzero(changes_G))))


def sentences(texts_N: Sequence[str]) -> list[object]:
    """Return a key to draw each utterance by: equal for equal texts, unique for an empty one."""
    return [text or number for number, text in enumerate(texts_N)]


def resampled_totals(
    columns_NC: Floats, groups_N: Sequence[object] | None, seed: int, resamples: int
) -> Floats:
    """Return the columns' sums over R draws with replacement, of utterances or of groups."""
    columns_GC = columns_NC if groups_N is None else sum_by_group(columns_NC, groups_N)
    groups = len(columns_GC)
    random = np.random.default_rng(seed)
    at_once = max(1, DRAWS_AT_ONCE // groups)
    totals = []
    for first in range(0, resamples, at_once):
        draws = min(at_once, resamples - first)
        drawn_RG = random.integers(groups, size=(draws, groups))
        # How often each group was drawn: a product with all columns instead of a look-up for each.
        places_RG = drawn_RG + groups * np.arange(draws)[:, None]
        times_RG = np.bincount(places_RG.ravel(), minlength=draws * groups).reshape(draws, groups)
        totals.append(times_RG.astype(np.float64) @ columns_GC)
    return np.concatenate(totals)


def sum_by_group(columns_NC: Floats, groups_N: Sequence[object]) -> Floats:
    """Return the columns' sums for each group, in the order of the groups' first utterances."""
    if len(groups_N) != len(columns_NC):
        raise DataError(
            f"{len(groups_N)} groups for {len(columns_NC)} utterances; expected one each"
        )
    numbers: dict[object, int] = {}
    group_of_N = [numbers.setdefault(group, len(numbers)) for group in groups_N]
    columns_GC = np.zeros((len(numbers), columns_NC.shape[1]))
    np.add.at(columns_GC, group_of_N, columns_NC)
    return columns_GC


def _stack(lengths_N: Counts, *errors_N: Counts) -> Floats:
    """Return N rows: the reference length, then the errors of each system."""
    if {len(errors) for errors in errors_N} != {len(lengths_N)}:
        counted = ", ".join(str(len(errors)) for errors in errors_N)
        raise DataError(f"errors of {counted} utterances, lengths of {len(lengths_N)}")
    columns_NC = np.stack([lengths_N, *errors_N], axis=1).astype(np.float64)
    if not columns_NC[:, 0].sum():
        raise DataError("no reference token to count errors against; expected at least one")
    return columns_NC


def _at_least_one(lengths_R: Floats) -> Floats:
    """Return lengths of at least 1: a draw of empty references follows ErrorCounts.rate."""
    return np.maximum(lengths_R, 1.0)


def _bounds(values_R: Floats) -> Interval:
    low, high = np.quantile(values_R, BOUNDS)
    return float(low), float(high)


def _columns(counts_N: Sequence[ErrorCounts]) -> tuple[list[int], list[int]]:
    return [c.errors for c in counts_N], [c.reference_length for c in counts_N]


def _total(counts_N: Sequence[ErrorCounts]) -> ErrorCounts:
    return sum(counts_N, start=ErrorCounts(0, 0, 0, 0))


def _speaker_groups(speakers: Sequence[str | None] | None) -> list[object] | None:
    """Return a key to draw each utterance by; None if fewer than two speakers are known."""
    if speakers is None or len(set(speakers) - {None}) < 2:
        return None
    return [number if speaker is None else speaker for number, speaker in enumerate(speakers)]


def _check(
    references: Sequence[str],
    hypotheses: Sequence[str],
    speakers: Sequence[str | None] | None,
) -> None:
    if not references:
        raise DataError("no utterance to score; is the split empty? mothertongue check lists them")
    if len(hypotheses) != len(references):
        raise DataError(
            f"{len(references)} references, {len(hypotheses)} hypotheses; expected one each"
        )
    if speakers is not None and len(speakers) != len(references):
        raise DataError(
            f"{len(references)} references, {len(speakers)} speakers; expected one each"
        )
