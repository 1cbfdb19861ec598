"""Measure alignments of recordings whose words are known, recognized with faults that are known.

The limits are a little above what the code reaches, and below what it reached before a rule was
added; `python -m pytest -s` prints the counts.
"""

from collections.abc import Container
from dataclasses import replace
from functools import reduce
from operator import add

import pytest
from hearing import OTHER, sentence
from misheard import Counts, Faults, Phrase, align, count, measured, phrases, recognized, spoken
from narrator import CHARACTER_S, Said, record

from mothertongue.inference.alignment.units import HeardWord

FEW = Faults(letters=0.25, lost=0.02, nonsense=0.02, joined=0.1, times_s=0.05)
SOME = Faults(letters=0.35, lost=0.05, nonsense=0.05, joined=0.2, times_s=0.1)
MANY = Faults(letters=0.45, lost=0.06, nonsense=0.06, joined=0.3, times_s=0.12)
WORDS = Faults(letters=0.2, lost=0.12, nonsense=0.12, joined=0.1, times_s=0.1)


def total(faults: Faults, seeds: int, max_s: float = 30.0) -> Counts:
    return reduce(add, (measured(phrases(seed), faults, seed, max_s) for seed in range(seeds)))


def test_a_recording_without_faults_is_kept_and_right() -> None:
    found = measured(phrases(0), Faults(0.0), 0)
    assert (found.kept, found.wrong, found.wrong_cuts) == (found.words, 0, 0)
    assert found.cuts >= 4


def test_few_words_are_on_the_wrong_side() -> None:
    found = [total(faults, 4) for faults in (FEW, SOME, MANY, WORDS)]
    print(*found, sep="\n")
    shares = [each.kept / each.words for each in found]
    assert shares[0] == shares[1] == 1.0 and min(shares) > 0.9
    whole = reduce(add, found)
    assert whole.wrong < 0.002 * whole.kept
    assert whole.wrong_cuts < 0.02 * whole.cuts


def same(*texts: str) -> list[Phrase]:
    return [Phrase(each, each) for each in texts]


def garbled(heard: list[HeardWord], numbers: Container[int]) -> list[HeardWord]:
    """Return the words with all letters of some replaced."""
    return [
        replace(each, characters="x" * len(each.characters)) if i in numbers else each
        for i, each in enumerate(heard)
    ]


@pytest.mark.parametrize("edge", ["first", "last"])
def test_words_at_an_edge_of_the_recording_may_be_recognized_wrong(edge: str) -> None:
    given = same(*(sentence(seed) for seed in range(4)))
    recording = spoken(given, 0)
    heard = recognized(recording, Faults(0.0), 0)
    wrong = range(5) if edge == "first" else range(len(heard) - 5, len(heard))
    spans = align(given, recording, garbled(heard, wrong))
    found = count(given, recording, spans)
    assert (found.kept, found.wrong) == (found.words, 0)


@pytest.mark.parametrize("place", [0, 4])
def test_speech_without_text_at_an_edge_is_left(place: int) -> None:
    given = same(*(sentence(seed) for seed in range(4)))
    given.insert(place, Phrase(sentence(9, OTHER), ""))
    recording = spoken(given, 0)
    spans = align(given, recording, recognized(recording, Faults(0.0), 0))
    found = count(given, recording, spans)
    assert (found.kept, found.wrong) == (found.words, 0)


@pytest.mark.parametrize("place", [0, 4])
def test_text_without_speech_at_an_edge_is_left(place: int) -> None:
    given = same(*(sentence(seed) for seed in range(4)))
    given.insert(place, Phrase("", sentence(9, OTHER)))
    recording = spoken(given, 0)
    spans = align(given, recording, recognized(recording, Faults(0.0), 0))
    found = count(given, recording, spans)
    assert (found.kept, found.wrong) == (found.words, 0)


def test_a_sure_pause_is_better_than_a_long_one() -> None:
    """Three phrases are too long for one span.

    The last word of the second is lost, and the word before it takes in its time: it may be on
    either side of the long pause. The cut is in the short pause, where all is recognized.
    """
    texts = [sentence(0), f"{sentence(1)} na", sentence(2)]
    recording = record([said := _said(texts[0], 0.5), *_after(said, texts[1:])], 25.0, 0)
    heard = recognized(recording, Faults(0.0), 0)
    lost = len(" ".join(texts[:2]).split()) - 1
    heard[lost - 1] = replace(heard[lost - 1], end_s=heard[lost].end_s)
    spans = align(same(*texts), recording, heard[:lost] + heard[lost + 1 :], 12.0)
    first = len(texts[0].split())
    assert [(each.first, each.last) for each in spans] == [(0, first), (first, first + 17)]


def _after(said: Said, texts: list[str]) -> list[Said]:
    second = _said(texts[0], said.end_s + 0.35)
    return [second, _said(texts[1], second.end_s + 0.8)]


def _said(text: str, start_s: float) -> Said:
    words, now_s = [], start_s
    for word in text.split():
        words.append((word, now_s, now_s + CHARACTER_S * len(word)))
        now_s = words[-1][2] + 0.02
    return Said(text, start_s, words[-1][2], tuple(words))
