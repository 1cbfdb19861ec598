"""Measure forgetting: compare errors of base and tuned model on the same clips. No torch.

Shape legend: N clips.
"""

import math
from collections.abc import Sequence

import numpy as np

from mothertongue.errors import DataError
from mothertongue.evaluation.metrics import (
    Counts,
    paired_bootstrap,
    sentences,
    utterance_errors,
)
from mothertongue.evaluation.normalizers import Normalizer, normalizer
from mothertongue.evaluation.rates import (
    Change,
    Forgetting,
    Interval,
    LanguageSource,
    MeanChange,
    MeanForgetting,
    UtteranceRow,
)

# Equal in rows of the same clip, decoded alike.
PAIRED = ("id", "language", "language_source", "reference")


def forgetting(
    before: Sequence[UtteranceRow],
    after: Sequence[UtteranceRow],
    normalizer_name: str = "strict",
    seed: int = 0,
    resamples: int = 1000,
) -> Forgetting:
    """Return the changes by tuning, from the rows of base and tuned model on the same clips.

    Raises DataError where the rows are not of the same clips decoded alike, or hold no word.
    """
    source = _check(before, after)
    normalize = normalizer(normalizer_name)
    old, new = _counts(before, normalize), _counts(after, normalize)
    texts_N = sentences([normalize(row.reference) for row in before])

    def change(counted: str, total: str = "clips") -> Change:
        return _change(old[counted], new[counted], old[total], texts_N, seed, resamples)

    return Forgetting(
        n=len(before),
        language_source=source,
        normalizer=normalize.name,
        normalizer_version=normalize.version,
        wer=change("word_errors", "words"),
        cer=change("character_errors", "characters"),
        language_identification=change("identified") if _is_asked(before, after) else None,
        hallucinations=change("hallucinations"),
        loops=change("loops"),
        empty=change("empty"),
        seed=seed,
        resamples=resamples,
    )


def is_hallucination(reference: str, hypothesis: str) -> bool:
    """Return whether a transcript is at least twice as long as its reference, without spaces.

    However the two are aligned, at least as many characters are then inserted as the reference
    has; where the reference is empty, any character is enough. Insertions are Distil-Whisper's
    measure of hallucination too (Gandhi et al. 2023, arXiv 2311.00430), but over a whole corpus,
    where a few invented texts and many small errors look alike. The factor is two because
    misrecognized speech keeps about its length. Characters are counted because a word that is
    written as two is no invention, and Thai has no spaces. Invented text of about the right length
    is missed: only its meaning shows that it is invented (Frieske and
    Shi 2024, arXiv 2401.01572). Chinese that is written in Latin letters is found as well.
    """
    expected, written = (len("".join(text.split())) for text in (reference, hypothesis))
    return written >= max(1, 2 * expected)


def _counts(rows: Sequence[UtteranceRow], normalize: Normalizer) -> dict[str, Counts]:
    """Return all counts by name, clip by clip, with the totals that divide them."""
    errors = utterance_errors(rows, normalize)
    texts = [(normalize(row.reference), normalize(row.hypothesis)) for row in rows]
    return {
        "clips": [1] * len(rows),
        "words": errors.words_N,
        "word_errors": errors.word_errors_N,
        "characters": errors.characters_N,
        "character_errors": errors.character_errors_N,
        "identified": [int(row.detected_language == row.language) for row in rows],
        "hallucinations": [int(is_hallucination(*pair)) for pair in texts],
        "loops": [int(row.looped) for row in rows],
        "empty": [int(not hypothesis) for _, hypothesis in texts],
    }


def _change(
    before_N: Counts,
    after_N: Counts,
    totals_N: Counts,
    texts_N: Sequence[object],
    seed: int,
    resamples: int,
) -> Change:
    paired = paired_bootstrap(before_N, after_N, totals_N, texts_N, seed, resamples)
    before, after, total = (int(np.sum(counts_N)) for counts_N in (before_N, after_N, totals_N))
    return Change(
        before=before / total,
        after=after / total,
        difference=paired.difference,
        interval95=paired.interval95,
        p=paired.p,
        count_before=before,
        count_after=after,
        total=total,
    )


def _is_asked(*sides: Sequence[UtteranceRow]) -> bool:
    return all(row.detected_language is not None for rows in sides for row in rows)


def _check(before: Sequence[UtteranceRow], after: Sequence[UtteranceRow]) -> LanguageSource:
    """Return the language source of all clips. Raises DataError if the clips differ."""
    if len(before) != len(after) or not before:
        raise DataError(
            f"{len(before)} clips before tuning, {len(after)} after; expected the same ones, at "
            "least one; evaluate both models on the same split"
        )
    for number, (old, new) in enumerate(zip(before, after, strict=True), start=1):
        _check_pair(number, old, new)
    sources: set[LanguageSource] = {row.language_source for row in before}
    if len(sources) > 1:
        raise DataError(
            "some clips were decoded under a given language, some under a detected one; expected "
            "one of the two; compare them apart"
        )
    return sources.pop()


def _check_pair(number: int, old: UtteranceRow, new: UtteranceRow) -> None:
    for key in PAIRED:
        one, two = getattr(old, key), getattr(new, key)
        if one != two:
            raise DataError(
                f"row {number}: {key} is {one!r} before tuning, {two!r} after; expected "
                "the same clips in the same order; evaluate both models on the same split"
            )


def mean_forgetting(sets: Sequence[Forgetting]) -> MeanForgetting:
    """Return the average over sets with the same normalizer and language source.

    Raises DataError without a set, and where normalizer or language source are not the same in all.
    """
    source, name, version = _measured(sets)
    asked = [each.language_identification for each in sets if each.language_identification]
    return MeanForgetting(
        n=sum(each.n for each in sets),
        sets=len(sets),
        language_source=source,
        normalizer=name,
        normalizer_version=version,
        wer=_mean([each.wer for each in sets]),
        cer=_mean([each.cer for each in sets]),
        language_identification=_mean(asked) if asked else None,
        hallucinations=_mean([each.hallucinations for each in sets]),
        loops=_mean([each.loops for each in sets]),
        empty=_mean([each.empty for each in sets]),
    )


def _measured(sets: Sequence[Forgetting]) -> tuple[LanguageSource, str, str]:
    ways = {(each.language_source, each.normalizer, each.normalizer_version) for each in sets}
    if len(ways) != 1:
        found = "; ".join(" ".join(way) for way in sorted(ways)) or "no set"
        raise DataError(
            f"cannot average {found}; expected sets with one language source and one normalizer; "
            "average those apart that differ in them"
        )
    return ways.pop()


def _mean(changes: Sequence[Change]) -> MeanChange:
    sets = len(changes)
    return MeanChange(
        before=sum(each.before for each in changes) / sets,
        after=sum(each.after for each in changes) / sets,
        difference=sum(each.difference for each in changes) / sets,
        interval95=mean_interval(
            [each.difference for each in changes], [each.interval95 for each in changes]
        ),
        count_before=sum(each.count_before for each in changes),
        count_after=sum(each.count_after for each in changes),
        total=sum(each.total for each in changes),
        sets=sets,
    )


def mean_interval(values: Sequence[float], intervals: Sequence[Interval]) -> Interval:
    """Return the interval of the mean of independent values, from the interval of each.

    On either side the distances to the bounds add up as standard deviations do: by their squares.
    Zou and Donner 2008, "Construction of confidence limits about effect measures: a general
    approach", for a sum; here each value has weight 1 / count.
    """
    count = len(values)
    mean = sum(values) / count
    below, above = (
        math.hypot(*(value - bounds[side] for value, bounds in zip(values, intervals, strict=True)))
        / count
        for side in (0, 1)
    )
    return mean - below, mean + above
