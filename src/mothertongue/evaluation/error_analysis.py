"""Count the kinds of errors of a system, in total and by group of clips. No torch.

There is a list of rows for each seed: the same clips in the same order.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np

from mothertongue.data.scripts import script_of
from mothertongue.evaluation.error_alignment import Piece, align, graphemes
from mothertongue.evaluation.forgetting import is_hallucination
from mothertongue.evaluation.metrics import (
    Integers,
    bootstrap_interval,
    sentences,
    utterance_errors,
)
from mothertongue.evaluation.normalizers import Normalizer
from mothertongue.evaluation.rates import Interval, Rates, UtteranceRow

MOST = 20
"""How many confusions, and how many speakers, are listed."""
DURATIONS_S = (0, 3, 6, 10, 15, 30)
LENGTHS_WORDS = (0, 5, 10, 20, 40, 10_000)
ONE_SCRIPT = {"HIRAGANA": "CJK", "KATAKANA": "CJK"}


@dataclass(frozen=True, slots=True)
class Confusion:
    """A token that was taken for another, and how often."""

    reference: str
    hypothesis: str
    count: int


@dataclass(frozen=True, slots=True)
class WordCount:
    """A word, and how often it was left out or made up."""

    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Failures:
    """How many transcripts failed as a whole."""

    empty: int
    hallucinations: int
    loops: int
    wrong_script: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRates(Rates):
    """The error rates of a group of clips."""

    name: str
    clips: int


@dataclass(frozen=True, slots=True)
class Groups:
    """The error rates of clips by their duration, their speaker, and their length in words."""

    duration: list[GroupRates]
    speaker: list[GroupRates]
    length: list[GroupRates]


@dataclass(frozen=True, slots=True)
class ErrorKinds:
    """The errors of one system on one set of clips, over all seeds.

    Substitutions, deletions, insertions and hits are words. The words and characters are the most
    frequent ones; characters are as people see them, and counted within substituted words.
    """

    normalizer: str
    clips: int
    substitutions: int
    deletions: int
    insertions: int
    hits: int
    confused_words: list[Confusion]
    deleted_words: list[WordCount]
    inserted_words: list[WordCount]
    confused_characters: list[Confusion]
    failures: Failures
    by: Groups

    @property
    def words(self) -> int:
        """The number of words of the references."""
        return self.substitutions + self.deletions + self.hits


def error_kinds(by_seed: Sequence[Sequence[UtteranceRow]], normalize: Normalizer) -> ErrorKinds:
    """Return the errors of one system on one set of clips, given its rows for each seed."""
    aligned = [_aligned(rows, normalize) for rows in by_seed]
    pieces = list(chain.from_iterable(chain.from_iterable(aligned)))
    swapped = [piece for piece in pieces if piece.kind == "~"]
    kinds = Counter(piece.kind for piece in pieces)
    characters = chain.from_iterable(
        align(graphemes(each.reference), graphemes(each.hypothesis)) for each in swapped
    )
    return ErrorKinds(
        normalizer=normalize.name,
        clips=len(by_seed) * len(by_seed[0]),
        substitutions=kinds["~"],
        deletions=kinds["-"],
        insertions=kinds["+"],
        hits=kinds["="],
        confused_words=_most_pairs(swapped),
        deleted_words=_most(each.reference for each in pieces if each.kind == "-"),
        inserted_words=_most(each.hypothesis for each in pieces if each.kind == "+"),
        confused_characters=_most_pairs(each for each in characters if each.kind == "~"),
        failures=_failures(list(chain.from_iterable(by_seed)), normalize),
        by=_by_group(by_seed, normalize),
    )


def script(text: str) -> str | None:
    """Return the script of most letters, such as LATIN or MALAYALAM; None without letters.

    It is the first word of the letters' names in Unicode; kana and Chinese characters are one.
    """
    names = list(filter(None, map(script_of, text)))
    counts = Counter(ONE_SCRIPT.get(name, name) for name in names if name)
    return counts.most_common(1)[0][0] if counts else None


def is_wrong_script(reference: str, hypothesis: str) -> bool:
    """Return whether a transcript is mostly in another script than its reference."""
    expected, written = script(reference), script(hypothesis)
    return expected is not None and written is not None and expected != written


def _aligned(rows: Sequence[UtteranceRow], normalize: Normalizer) -> list[list[Piece]]:
    return [
        align(normalize(row.reference).split(), normalize(row.hypothesis).split()) for row in rows
    ]


def _failures(rows: Sequence[UtteranceRow], normalize: Normalizer) -> Failures:
    pairs = [(normalize(row.reference), normalize(row.hypothesis)) for row in rows]
    return Failures(
        empty=sum(not hypothesis for _, hypothesis in pairs),
        hallucinations=sum(is_hallucination(*pair) for pair in pairs),
        loops=sum(row.looped for row in rows),
        wrong_script=sum(is_wrong_script(*pair) for pair in pairs),
    )


def _by_group(by_seed: Sequence[Sequence[UtteranceRow]], normalize: Normalizer) -> Groups:
    """Return error rates over all seeds for groups of clips by duration, speaker and length."""
    found = [utterance_errors(rows, normalize) for rows in by_seed]
    rows, words_N = by_seed[0], found[0].words_N
    texts_N = sentences([normalize(row.reference) for row in rows])
    words_SN = np.stack([each.word_errors_N for each in found])
    letters_SN = np.stack([each.character_errors_N for each in found])
    words = words_SN.sum(axis=0), len(found) * words_N
    letters = letters_SN.sum(axis=0), len(found) * found[0].characters_N

    def rates(names_N: Sequence[str | None], order: Sequence[str]) -> list[GroupRates]:
        groups = [(name, [i for i, each in enumerate(names_N) if each == name]) for name in order]
        return [
            GroupRates(
                *_rate(*words, chosen, texts_N),
                *_rate(*letters, chosen, texts_N),
                name=name,
                clips=len(chosen),
            )
            for name, chosen in groups
            if words_N[chosen].sum()
        ]

    durations = _binned([row.duration_s for row in rows], DURATIONS_S, "{}-{} s")
    lengths = _binned(words_N, LENGTHS_WORDS, "{}-{} words")
    speakers = [row.speaker for row in rows]
    most = [name for name, _ in Counter(filter(None, speakers)).most_common(MOST)]
    return Groups(
        duration=rates(durations, _names(DURATIONS_S, "{}-{} s")),
        speaker=rates(speakers, most),
        length=rates(lengths, _names(LENGTHS_WORDS, "{}-{} words")),
    )


def _rate(
    errors_N: Integers, lengths_N: Integers, chosen: Sequence[int], texts_N: Sequence[object]
) -> tuple[float, Interval]:
    """Return an error rate of the chosen clips, with its interval over sentences."""
    texts = [texts_N[i] for i in chosen]
    rate = float(errors_N[chosen].sum() / lengths_N[chosen].sum())
    return rate, bootstrap_interval(errors_N[chosen], lengths_N[chosen], texts)


def _names(edges: Sequence[int], form: str) -> list[str]:
    names = [form.format(low, high) for low, high in pairwise(edges)]
    unit = form.split(" ")[-1]
    return [*names[:-1], f"over {edges[-2]} {unit}"]


def _binned(values: Sequence[float] | Any, edges: Sequence[int], form: str) -> list[str]:
    """Return the name of each value's bin: above its lower edge, up to its upper edge."""
    names = _names(edges, form)
    places = np.clip(np.searchsorted(edges, values, side="left") - 1, 0, len(names) - 1)
    return [names[place] for place in places]


def _most(words: Iterable[str]) -> list[WordCount]:
    return [WordCount(*each) for each in Counter(words).most_common(MOST)]


def _most_pairs(pieces: Iterable[Piece]) -> list[Confusion]:
    pairs = Counter((each.reference, each.hypothesis) for each in pieces)
    return [Confusion(*pair, count) for pair, count in pairs.most_common(MOST)]
