"""Test the match of two texts: against a plain table of all ways, and with anchors."""

import random
from collections.abc import Sequence
from functools import cache

import pytest
from hearing import badly, sentence
from hypothesis import given
from hypothesis import strategies as st

from mothertongue.inference.alignment import matching
from mothertongue.inference.alignment.matching import (
    DIFFERENT,
    EQUAL,
    EXTEND,
    NONE,
    OPEN,
    longest_growing,
    match,
)

LETTERS = st.text(alphabet="abc", max_size=9)


def best_score(text: str, heard: str) -> int:
    """Return the score of the best alignment: tries every step, and remembers the last one."""

    @cache
    def rest(i: int, j: int, last: str) -> int:
        if i == len(text) and j == len(heard):
            return 0
        ways = []
        if i < len(text) and j < len(heard):
            ways.append((EQUAL if text[i] == heard[j] else DIFFERENT) + rest(i + 1, j + 1, "both"))
        if i < len(text):
            ways.append(rest(i + 1, j, "down") - EXTEND - (0 if last == "down" else OPEN))
        if j < len(heard):
            ways.append(rest(i, j + 1, "right") - EXTEND - (0 if last == "right" else OPEN))
        return max(ways)

    return rest(0, 0, "")


def most_score(text: str, heard: str, found: Sequence[int]) -> int:
    """Return the best score of an alignment whose equal pairs are these."""
    total, i, j = 0, 0, 0
    for place, other in [(i, int(j)) for i, j in enumerate(found) if j != NONE]:
        total += _between(place - i, other - j) + EQUAL
        i, j = place + 1, other + 1
    return total + _between(len(text) - i, len(heard) - j)


def _between(down: int, right: int) -> int:
    """Return the best score of characters of which no pair is equal."""
    return max(
        DIFFERENT * both - sum(OPEN + EXTEND * (n - both) for n in (down, right) if n > both)
        for both in range(min(down, right) + 1)
    )


@given(LETTERS, LETTERS)
def test_the_match_is_the_best_there_is(text: str, heard: str) -> None:
    found = match(text, heard).tolist()
    places = [place for place in found if place != NONE]
    assert places == sorted(set(places))
    assert all(text[i] == heard[j] for i, j in enumerate(found) if j != NONE)
    assert most_score(text, heard, found) == best_score(text, heard)
    if text == heard:
        assert found == list(range(len(text)))


@pytest.mark.parametrize(("text", "heard"), [("", "abc"), ("abc", ""), ("", "")])
def test_nothing_matches_nothing(text: str, heard: str) -> None:
    assert match(text, heard).tolist() == [NONE] * len(text)


def test_extra_speech_is_one_gap() -> None:
    before, extra, after = (sentence(i).replace(" ", "") for i in range(3))
    found = match(before + after, before + extra + after)
    shift = len(extra)
    expected = [*range(len(before)), *(len(before) + shift + i for i in range(len(after)))]
    # At the edge of the gap equal letters may be taken from either side.
    assert sum(a != b for a, b in zip(found, expected, strict=True)) <= 3


def test_anchors_divide_what_is_too_large_for_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(sentence(i) for i in range(60)).replace(" ", "")
    heard = badly(text, 1, errors=0.2).replace(" ", "")
    whole = match(text, heard)
    tables: list[int] = []
    aligned = matching._aligned

    def counted(text: Sequence[str], heard: Sequence[str]) -> matching.Integers:
        tables.append((len(text) + 1) * (len(heard) + 1))
        return aligned(text, heard)

    monkeypatch.setattr(matching, "MAX_CELLS", 40_000)
    monkeypatch.setattr(matching, "_aligned", counted)
    divided = match(text, heard)
    assert max(tables) <= 40_000 < len(text) * len(heard)
    assert (whole == divided).mean() > 0.97


def test_without_an_anchor_nothing_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MAX_CELLS", 100)
    assert (match("ab" * 200, "cd" * 200) == NONE).all()
    assert (match("a" * 300, "a" * 300) == NONE).all()


def test_longest_growing() -> None:
    draw = random.Random(0)
    pairs = [(i, i) for i in range(50)]
    wrong = {7: 40, 20: 3, 33: 0}
    assert longest_growing([(i, wrong.get(i, j)) for i, j in pairs]) == [
        (i, j) for i, j in pairs if i not in wrong
    ]
    assert longest_growing([]) == []
    shuffled = draw.sample(range(30), 30)
    found = longest_growing(list(enumerate(shuffled)))
    assert found == sorted(found, key=lambda each: each[1])
