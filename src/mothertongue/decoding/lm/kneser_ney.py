"""Modified Kneser-Ney smoothing, interpolated (Chen and Goodman 1999, section 3; as KenLM's lmplz).

T words of all texts in a row; G n-grams of one order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mothertongue.decoding.lm.ngrams import BEGIN, END, UNKNOWN, Floats, Ints, NGrams

FALLBACK = (0.5, 1.0, 1.5)
"""The discounts where a text is too small to estimate them, as lmplz --discount_fallback."""


@dataclass(frozen=True, slots=True)
class _Order:
    """The n-grams of one order, in the order of (parent, last word)."""

    parent_G: Ints
    word_G: Ints
    suffix_G: Ints
    count_G: Ints
    is_first_G: np.ndarray[tuple[int], np.dtype[np.bool_]]
    """Whether each begins with `<s>`."""


def estimate(sentences: Iterable[Sequence[str]], order: int) -> NGrams:
    """Return the model of sentences, each a sequence of words, with n-grams of up to `order` words.

    Raises ValueError where there is no word.
    """
    words, text_T, left_T = _encode(sentences)
    orders = _count(text_T, left_T, len(words), order)
    suffix_G, log_p_G, backoff_G = _smooth(orders, len(words))
    keys_G = np.concatenate([each.parent_G * len(words) + each.word_G for each in orders])
    # KenLM refuses a length without n-grams, which short texts would have.
    return NGrams(words, len(orders), keys_G, suffix_G, log_p_G, backoff_G)


def _encode(sentences: Iterable[Sequence[str]]) -> tuple[list[str], Ints, Ints]:
    """Return the words, the texts as places in them, and the words that are left in each text."""
    index = {UNKNOWN: 0, BEGIN: 1, END: 2}
    text: list[int] = []
    left: list[int] = []
    for sentence in sentences:
        places = [index.setdefault(word, len(index)) for word in sentence]
        text += [1, *places, 2]
        left += range(len(places) + 2, 0, -1)
    if len(index) == 3:
        raise ValueError("there is no word in the text")
    return list(index), np.array(text), np.array(left)


def _count(text_T: Ints, left_T: Ints, num_words: int, order: int) -> list[_Order]:
    """Return every n-gram of 1 to `order` words; the empty n-gram is node 0."""
    # Every word is a unigram, also <unk>, which no text has: node = word + 1.
    word_G = np.arange(num_words)
    zero_G = np.zeros(num_words, np.int64)
    counts = np.bincount(text_T, minlength=num_words)
    orders = [_Order(zero_G, word_G, zero_G, counts, word_G == 1)]
    node_T, nodes = text_T + 1, num_words + 1
    for length in range(2, order + 1):
        at = np.flatnonzero(left_T >= length)
        if not len(at):
            break
        keys = node_T[at] * num_words + text_T[at + length - 1]
        keys_G, first_G, place, count_G = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        suffix_G, is_first_G = node_T[at[first_G] + 1], text_T[at[first_G]] == 1
        parts = keys_G // num_words, keys_G % num_words
        orders.append(_Order(*parts, suffix_G, count_G, is_first_G))
        node_T = np.zeros_like(node_T)
        node_T[at] = nodes + place
        nodes += len(keys_G)
    return orders


def _smooth(orders: list[_Order], num_words: int) -> tuple[Ints, Floats, Floats]:
    """Return suffix_G, log_p_G and backoff_G of all nodes, the empty one first."""
    total = 1 + sum(len(each.count_G) for each in orders)
    suffix_G, p_G = np.zeros(total, np.int64), np.zeros(total)
    gamma_G = np.ones(total)
    p_G[0] = 1 / (num_words - 1)  # each word but <s>, which is never next
    begin = 1
    for place, each in enumerate(orders):
        adjusted_G = _adjusted(each, orders[place + 1] if place + 1 < len(orders) else None, begin)
        if place == 0:
            adjusted_G[:2] = 0
        discount_G = _discounts(adjusted_G)[np.minimum(adjusted_G, 3)]
        sums = np.bincount(each.parent_G, adjusted_G, minlength=total)
        taken = np.bincount(each.parent_G, discount_G, minlength=total)
        is_parent = sums > 0
        gamma_G[is_parent] = taken[is_parent] / sums[is_parent]
        end = begin + len(adjusted_G)
        suffix_G[begin:end] = each.suffix_G
        lower_G = gamma_G[each.parent_G] * p_G[each.suffix_G]
        p_G[begin:end] = (adjusted_G - discount_G) / sums[each.parent_G] + lower_G
        begin = end
    p_G[2] = 1.0  # <s> is given, as KenLM writes it
    gamma_G[0] = 1.0  # nothing is shorter than the empty n-gram
    return suffix_G, np.log(p_G), np.log(gamma_G)


def _adjusted(each: _Order, longer: _Order | None, begin: int) -> Ints:
    """Return how many words stand before each n-gram, of all there are.

    The longest n-grams keep their counts, and so do those that begin a sentence: nothing stands
    before them.
    """
    if longer is None:
        return each.count_G.copy()
    size = len(each.count_G)
    before_G = np.bincount(longer.suffix_G - begin, minlength=size)
    return np.where(each.is_first_G, each.count_G, before_G)


def _discounts(counts_G: Ints) -> Floats:
    """Return the discounts of counts 0, 1, 2 and 3 or more (Chen and Goodman, equation 26)."""
    t = np.bincount(np.minimum(counts_G, 5), minlength=6)[1:5].astype(float)
    if t[:3].all():
        y = t[0] / (t[0] + 2 * t[1])
        # A discount of 0 would leave nothing for what follows only words of that count.
        found = [n - (n + 1) * y * t[n] / t[n - 1] for n in (1, 2, 3)]
        if all(0 < taken <= n for n, taken in enumerate(found, start=1)):
            return np.array([0, *found])
    return np.array([0, *FALLBACK])
