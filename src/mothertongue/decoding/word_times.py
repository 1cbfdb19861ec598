"""When each word was said: from where the decoder looked in the audio to words with times.

The method of openai/whisper (timing.py): the attention of some heads to the audio, cleaned, is a
map of tokens by frames; the cheapest way through it says at which frame each token begins.
L tokens of text, T encoder frames (50 a second). No torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import regex

from mothertongue.tokens import Tokens

FRAMES_PER_S = 50
MEDIAN_FRAMES = 7
UNSPACED = {"zh", "ja", "th", "lo", "my", "km", "bo", "yue"}
"""Written without spaces between words: there each character is timed."""
LONGEST_WORD_RATIO = 2.0
CLUSTER = regex.compile(r"\X")
HAS_LETTER = regex.compile(r"[\p{L}\p{N}\p{M}]")
REPLACEMENT = "\ufffd"  # what stands for bytes that are no whole character

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it stands in the transcript, its leading space and its punctuation included."""

    text: str
    start_s: float
    end_s: float
    probability: float
    """The mean over its tokens."""
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the L tokens of a clip's text are in its audio."""

    token_starts_s: tuple[float, ...]
    """L + 1: where each token begins, and where the last one ends."""
    probabilities: tuple[float, ...]
    """L: of each token, among all that is text."""
    no_speech_probability: float | None = None


def warp(cost_LT: Array) -> tuple[Array, Array]:
    """The cheapest monotonic way through a map, from its first cell to its last: rows and columns.

    Dynamic time warping with the steps down, right and both. Of equal ways it takes that of
    openai/whisper: both, then down, only where it is cheaper than the others, else right.
    """
    num_rows, num_columns = cost_LT.shape
    total = np.full((num_rows + 1, num_columns + 1), np.inf, np.float32)
    total[0, 0] = 0
    step = np.zeros((num_rows + 1, num_columns + 1), np.int8)
    # All cells of one antidiagonal depend only on the two before it.
    for diagonal in range(2, num_rows + num_columns + 1):
        i = np.arange(max(1, diagonal - num_columns), min(num_rows, diagonal - 1) + 1)
        j = diagonal - i
        both, down, right = total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]
        is_both = (both < down) & (both < right)
        is_down = ~is_both & (down < both) & (down < right)
        step[i, j] = np.where(is_both, 0, np.where(is_down, 1, 2))
        total[i, j] = cost_LT[i - 1, j - 1] + np.where(
            is_both, both, np.where(is_down, down, right)
        )
    return _way_back(step)


def _way_back(step: Array) -> tuple[Array, Array]:
    step[0, :], step[:, 0] = 2, 1
    i, j = step.shape[0] - 1, step.shape[1] - 1
    cells = []
    while i > 0 or j > 0:
        cells.append((i - 1, j - 1))
        kind = step[i, j]
        i -= kind != 2
        j -= kind != 1
    rows, columns = np.array(cells[::-1]).T
    return rows, columns


def starts_of(rows: Array, columns: Array) -> tuple[float, ...]:
    """The second at which a way through a map comes to each of its rows."""
    is_first = np.concatenate([[True], np.diff(rows) > 0])
    return tuple((columns[is_first] / FRAMES_PER_S).tolist())


def group_words(
    tokens: Tokens, ids: Sequence[int], language: str
) -> list[tuple[str, tuple[int, ...]]]:
    """The text tokens of each word, with its text; all texts joined are the whole text.

    A word begins with a space; in languages without spaces, with a character. Punctuation belongs
    to the word before it.
    """
    words: list[tuple[str, tuple[int, ...]]] = []
    for text, part in _whole_characters(tokens, ids):
        if words and not _begins_word(words[-1][0], text, language):
            words[-1] = words[-1][0] + text, words[-1][1] + part
        else:
            words.append((text, part))
    return words


def words_of(
    tokens: Tokens,
    ids: Sequence[int],
    language: str,
    alignment: Alignment,
    duration_s: float,
) -> tuple[Word, ...]:
    """The words of a clip, their times inside it and in order.

    As in openai/whisper, a first or last word that would last more than twice the median keeps that
    much: what is left is a pause, to which no token belongs.
    """
    starts_s = np.clip(np.maximum.accumulate(alignment.token_starts_s), 0.0, duration_s)
    groups = group_words(tokens, ids, language)
    ends = list(accumulate(len(part) for _, part in groups))
    words = []
    for (text, part), end in zip(groups, ends, strict=True):
        first = end - len(part)
        probability = float(np.mean(alignment.probabilities[first:end]))
        words.append((text, float(starts_s[first]), float(starts_s[end]), probability, part))
    return tuple(Word(*each) for each in _without_pauses(words))


def _without_pauses(words: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    lengths = [end - start for _, start, end, _, _ in words if end > start]
    if len(words) < 2 or not lengths:
        return words
    longest = LONGEST_WORD_RATIO * min(0.7, float(np.median(lengths)))
    text, start, end, *rest = words[0]
    words[0] = (text, max(start, end - longest), end, *rest)
    text, start, end, *rest = words[-1]
    words[-1] = (text, start, min(end, start + longest), *rest)
    return words


def _whole_characters(tokens: Tokens, ids: Sequence[int]) -> list[tuple[str, tuple[int, ...]]]:
    """The fewest tokens in order that are whole characters, each time; a broken end is its own."""
    found: list[tuple[str, tuple[int, ...]]] = []
    part: tuple[int, ...] = ()
    for token in ids:
        part = (*part, token)
        text = tokens.decode_exact(part)
        if REPLACEMENT not in text:
            found.append((text, part))
            part = ()
    if part:
        found.append((tokens.decode_exact(part), part))
    return found


def _begins_word(before: str, text: str, language: str) -> bool:
    if text.startswith(" "):
        # A dash or a quote that stands alone goes with the word before it, or waits for one.
        return HAS_LETTER.search(before) is not None
    if language not in UNSPACED or not HAS_LETTER.search(text):
        return False
    # A token that begins with a combining mark goes on with the character before it.
    return len(CLUSTER.findall(before[-1:] + text[:1])) > 1
