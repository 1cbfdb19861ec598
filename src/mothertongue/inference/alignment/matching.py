"""Match the characters of a text with those that a model recognized. No torch.

N characters of text, M recognized characters. Memory grows with N + M: places where both have the
same rare characters (anchors) divide the whole into blocks, and only a block is a table.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

Integers = np.ndarray[Any, np.dtype[np.int64]]
Cells = np.ndarray[Any, np.dtype[Any]]

# Twice the log-odds, in nats and rounded, of an alignment against chance, where a model writes 7 of
# 10 characters right and 1 of 11 is equal by chance: ln(.7 / .09) = 2, ln(.15 / .9) = -1.8. A gap
# is dear to open and cheap to extend, so that speech without text is one gap, not many.
EQUAL, DIFFERENT, OPEN, EXTEND = 4, -4, 4, 1
MAX_CELLS = 16_000_000
"""The largest table, of one byte a cell: 4,000 characters by 4,000, four minutes of speech. A block
that is larger and has no anchor is not matched: nothing in it agrees."""
MIN_ANCHOR = 4
"""The shortest anchor in characters."""
NONE = -1
DIAGONAL, DOWN, RIGHT, DOWN_AGAIN, RIGHT_AGAIN = 0, 1, 2, 4, 8  # what a byte of the table holds


def match(text: Sequence[str], heard: Sequence[str]) -> Integers:
    """Return the place in `heard` of each character of `text`, or -1; places only grow.

    Only equal characters are matched.
    """
    found_N = np.full(len(text), NONE, np.int64)
    for (start, end), (first, last) in _blocks(text, heard, (0, len(text)), (0, len(heard))):
        inside = _aligned(text[start:end], heard[first:last])
        found_N[start:end] = np.where(inside == NONE, NONE, inside + first)
    return found_N


Range = tuple[int, int]


def _blocks(
    text: Sequence[str], heard: Sequence[str], of_text: Range, of_heard: Range, shorter: int = 0
) -> Iterator[tuple[Range, Range]]:
    """Yield blocks of both that are matched alone, in order.

    A block that is too large is divided by its anchors, and its parts again by shorter ones.
    """
    (start, end), (first, last) = of_text, of_heard
    if start == end or first == last:
        return
    if (end - start + 1) * (last - first + 1) <= MAX_CELLS:
        yield of_text, of_heard
        return
    length = _anchor_length(text[start:end], heard[first:last]) - shorter
    if length < MIN_ANCHOR:
        return
    anchors = _anchors(text[start:end], heard[first:last], length)
    edges = [(start, first), *((start + i, first + j) for i, j in anchors), (end, last)]
    for (i, j), (next_i, next_j) in pairwise(edges):
        yield from _blocks(text, heard, (i, next_i), (j, next_j), shorter + 1)


def _anchor_length(text: Sequence[str], heard: Sequence[str]) -> int:
    """Return the length at which no anchor is expected to be equal by chance.

    The chance is that of two characters drawn from the text.
    """
    counts = np.array([*Counter(text).values()], float)
    chance = float(np.square(counts / len(text)).sum())
    if chance == 1.0:
        return len(text)
    return max(MIN_ANCHOR, math.ceil(math.log(len(text) * len(heard)) / -math.log(chance)))


def _anchors(text: Sequence[str], heard: Sequence[str], length: int) -> list[tuple[int, int]]:
    """Return the starts, in both, of equal runs that are unique in both, in growing order.

    As in a patience diff: the longest growing sequence drops those that are out of place.
    """
    in_heard = _unique(heard, length)
    pairs = [(i, in_heard[run]) for run, i in _unique(text, length).items() if run in in_heard]
    return longest_growing(sorted(pairs))


def _unique(characters: Sequence[str], length: int) -> dict[tuple[str, ...], int]:
    """Return the start of each run of this length that comes once."""
    runs = [tuple(characters[i : i + length]) for i in range(len(characters) - length + 1)]
    counts = Counter(runs)
    return {run: i for i, run in enumerate(runs) if counts[run] == 1}


def longest_growing(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest part of `pairs`, sorted by the first place, in which both places grow."""
    lowest: list[int] = []  # the lowest last place of a sequence of each length
    owners: list[int] = []
    before: list[int] = []
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(lowest, place)
        before.append(owners[length - 1] if length else NONE)
        lowest[length : length + 1] = [place]
        owners[length : length + 1] = [number]
    chosen = []
    number = owners[-1] if owners else NONE
    while number != NONE:
        chosen.append(pairs[number])
        number = before[number]
    return chosen[::-1]


def _aligned(text: Sequence[str], heard: Sequence[str]) -> Integers:
    """Return the place in `heard` of each character of `text`, or -1, in the best alignment.

    Global alignment with affine gaps. Gotoh 1982; each row of the table is a few sums of vectors.
    """
    codes = {char: number for number, char in enumerate(dict.fromkeys((*text, *heard)))}
    heard_M = np.array([codes[char] for char in heard], np.int32)
    table = np.zeros((len(text) + 1, len(heard) + 1), np.uint8)
    along_M = EXTEND * np.arange(len(heard) + 1, dtype=np.int32)
    best_M = -OPEN - along_M
    best_M[0] = 0
    table[0, 1:] = RIGHT | RIGHT_AGAIN
    down_M = np.full(len(heard) + 1, -(2**30), np.int32)
    for i, char in enumerate(text, start=1):
        opened_M, again_M = best_M - OPEN - EXTEND, down_M - EXTEND
        row = table[i]
        row[again_M > opened_M] |= DOWN_AGAIN
        down_M = np.maximum(opened_M, again_M)
        met_M = np.full_like(best_M, -(2**30))
        met_M[1:] = best_M[:-1] + np.where(heard_M == codes[char], EQUAL, DIFFERENT)
        left_M = np.maximum(met_M, down_M)
        right_M = np.full_like(best_M, -(2**30))
        # A gap opens where its whole cost is least: the largest of value + distance so far.
        right_M[1:] = np.maximum.accumulate(left_M + along_M)[:-1] - OPEN - along_M[1:]
        row[1:][right_M[:-1] > left_M[:-1] - OPEN] |= RIGHT_AGAIN
        best_M = np.maximum(left_M, right_M)
        row |= np.where(right_M > left_M, RIGHT, np.where(down_M > met_M, DOWN, DIAGONAL)).astype(
            np.uint8
        )
    return _way_back(table, text, heard)


def _way_back(table: Cells, text: Sequence[str], heard: Sequence[str]) -> Integers:
    found_N = np.full(len(text), NONE, np.int64)
    i, j = len(text), len(heard)
    state = DIAGONAL
    while i and j:
        cell = int(table[i, j])
        step = state or cell & (DOWN | RIGHT)
        if step == DOWN:
            state = DOWN if cell & DOWN_AGAIN else DIAGONAL
            i -= 1
        elif step == RIGHT:
            state = RIGHT if cell & RIGHT_AGAIN else DIAGONAL
            j -= 1
        else:
            i, j = i - 1, j - 1
            if text[i] == heard[j]:
                found_N[i] = j
    return found_N
