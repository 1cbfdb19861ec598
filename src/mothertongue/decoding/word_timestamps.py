"""Compute the times of words from the decoder's attention to the audio.

The method of openai/whisper (timing.py): the attention of some heads to the audio, cleaned, is a
map of tokens by frames; the cheapest way through it says at which frame each token begins.
L tokens of text, T encoder frames (50 a second), K antidiagonals. No torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import regex

from mothertongue.data.languages import UNSPACED
from mothertongue.model.context import FRAMES_PER_S
from mothertongue.model.tokenizer import Tokens

MEDIAN_FRAMES = 7
LONGEST_WORD_RATIO = 2.0
CLUSTER = regex.compile(r"\X")
HAS_LETTER = regex.compile(r"[\p{L}\p{N}\p{M}]")
BOTH, DOWN, RIGHT = range(3)  # the steps of a way through a map
REPLACEMENT = "\ufffd"  # what stands for bytes that are no whole character

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the transcript, with its leading space and its punctuation."""

    text: str
    start_s: float
    end_s: float
    probability: float
    """The mean probability of its tokens."""
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Alignment:
    """The positions of the L tokens of a clip's text in its audio."""

    token_starts_s: tuple[float, ...]
    """L + 1 values: the start of each token, and the end of the last one."""
    probabilities: tuple[float, ...]
    """L values: the probability of each token, among all text tokens."""
    no_speech_probability: float | None = None


def warp(cost_LT: Array) -> tuple[Array, Array]:
    """Return rows and columns of the cheapest monotonic path through a map, from corner to corner.

    Dynamic time warping with the steps down, right and both. Of equal ways it takes that of
    openai/whisper: both, then down, only where it is cheaper than the others, else right, even
    where the others are equal and cheaper.
    """
    num_rows, num_columns = cost_LT.shape
    cost_KL = _antidiagonals(cost_LT)
    step_KL = np.full(cost_KL.shape, RIGHT, np.int8)
    # The sums of the last two, below a row of none: from it only the first cell is reached.
    before, last = np.full((2, num_rows + 1), np.inf, np.float32)
    before[0] = 0
    for k, cost_L in enumerate(cost_KL):
        rows = slice(max(0, k - num_columns + 1), min(num_rows, k + 1))
        here = slice(rows.start + 1, rows.stop + 1)  # so that `rows` are those above, in the sums
        both, down, right = before[rows], last[rows], last[here]
        is_both = both < np.minimum(down, right)
        is_down = (down < both) & (down < right)
        step_KL[k, rows] = np.where(is_both, BOTH, np.where(is_down, DOWN, RIGHT))
        now = np.full_like(last, np.inf)
        now[here] = cost_L[rows] + np.where(is_both, both, np.where(is_down, down, right))
        before, last = last, now
    return _way_back(step_KL, num_columns)


def _antidiagonals(x_LT: Array) -> Array:
    """Return x_KL, K = L + T - 1: row k, column i has cell (i, k - i), or junk if there is none.

    All cells of an antidiagonal depend only on the two before it, so each is one sum of vectors.
    """
    num_rows, num_columns = x_LT.shape
    width = num_rows + num_columns - 1
    wide = np.pad(x_LT.astype(np.float32), ((0, 0), (0, num_rows)))
    # Rows read one cell too short: each begins one cell further to the right than that above it.
    return np.ascontiguousarray(wide.ravel()[: num_rows * width].reshape(num_rows, width).T)


def _way_back(step_KL: Array, num_columns: int) -> tuple[Array, Array]:
    i, j = step_KL.shape[1] - 1, num_columns - 1
    cells = [(i, j)]
    while i > 0 or j > 0:
        kind = RIGHT if i == 0 else DOWN if j == 0 else step_KL[i + j, i]
        i -= kind != RIGHT
        j -= kind != DOWN
        cells.append((i, j))
    rows, columns = np.array(cells[::-1]).T
    return rows, columns


def starts_of(rows: Array, columns: Array) -> tuple[float, ...]:
    """Return the time in seconds at which a path through a map reaches each row."""
    is_first = np.concatenate([[True], np.diff(rows) > 0])
    return tuple((columns[is_first] / FRAMES_PER_S).tolist())


def group_words(
    tokens: Tokens, ids: Sequence[int], language: str
) -> list[tuple[str, tuple[int, ...]]]:
    """Return the text tokens of each word, with its text; all texts joined are the whole text.

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
    """Return the words of a clip in order, with times inside the clip.

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
    """Return groups of tokens in order, each the fewest that are whole characters.

    Bytes that are no character, which a model may write anywhere, stand for themselves.
    """
    found: list[tuple[str, tuple[int, ...]]] = []
    left, first = tokens.decode_exact(ids), 0
    for end in range(1, len(ids) + 1):
        text = tokens.decode_exact(ids[first:end])
        # Half a character, or broken bytes? Only a cut between whole ones leaves the text as it is.
        is_whole = REPLACEMENT not in text or (
            REPLACEMENT in left and text + tokens.decode_exact(ids[end:]) == left
        )
        if is_whole:
            found.append((text, tuple(ids[first:end])))
            left, first = left[len(text) :], end
    return found


def _begins_word(before: str, text: str, language: str) -> bool:
    # A space, a dash or a quote that stands alone waits for the word after it.
    if not HAS_LETTER.search(before):
        return False
    if text.startswith(" "):
        return True
    # Where no space stands between words, each character is timed.
    if language not in UNSPACED or not HAS_LETTER.search(text):
        return False
    # A token that begins with a combining mark goes on with the character before it.
    return len(CLUSTER.findall(before[-1:] + text[:1])) > 1
