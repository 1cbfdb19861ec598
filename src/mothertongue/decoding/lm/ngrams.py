"""A backoff n-gram model in arrays, which answers for many texts and many next words at once.

W words, G n-grams of all orders, N texts, C candidates for the next word of each text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"


@dataclass(frozen=True)
class NGrams:
    """The n-grams of a model as the nodes of a tree; node 0 is the empty one.

    A node's parent is the n-gram without its last word, its suffix that without its first word.
    The nodes stand in the order of their keys, so that those of one order stand together.
    """

    words: Sequence[str]
    """W words, `<unk>`, `<s>` and `</s>` among them."""
    order: int
    """The words of the longest n-gram."""
    keys_G: Ints
    """The parent of each node x W + its last word, of the nodes 1 to G, ascending."""
    suffix_G: Ints
    log_p_G: Floats
    """The natural logarithm of the probability of the last word after the others."""
    backoff_G: Floats
    """The natural logarithm of what a shorter n-gram's probability is multiplied by after this."""
    # suffix_G, log_p_G and backoff_G begin with the empty n-gram, node 0: they have G + 1 values.

    @cached_property
    def index(self) -> dict[str, int]:
        """The place of each word in `words`."""
        return {word: place for place, word in enumerate(self.words)}

    @cached_property
    def start(self) -> int:
        """The state of a text that begins."""
        node = self.child(np.zeros(1, np.int64), np.array([self.index[BEGIN]]))
        return int(self._state_G[node[0]])

    @cached_property
    def _state_G(self) -> Ints:
        """The longest end of each n-gram that changes what comes next: the others are not kept."""
        state_G = np.arange(len(self.suffix_G))
        has_children_G = np.zeros(len(state_G), bool)
        has_children_G[self.keys_G // len(self.words)] = True
        matters_G = has_children_G | (self.backoff_G != 0)
        for node in np.flatnonzero(~matters_G):  # a suffix comes before what it is a suffix of
            state_G[node] = state_G[self.suffix_G[node]]
        return state_G

    def lengths(self) -> Ints:
        """Return lengths_G, the number of words of each node's n-gram."""
        lengths_G = np.zeros(len(self.suffix_G), np.int64)
        for node, parent in enumerate((self.keys_G // len(self.words)).tolist(), start=1):
            lengths_G[node] = lengths_G[parent] + 1
        return lengths_G

    def child(self, nodes_K: Ints, words_K: Ints) -> Ints:
        """Return the node of each n-gram with one more word, 0 where the model has none."""
        keys_K = nodes_K * len(self.words) + words_K
        places_K = np.searchsorted(self.keys_G, keys_K)
        is_there_K = self.keys_G[np.minimum(places_K, len(self.keys_G) - 1)] == keys_K
        return np.where(is_there_K, places_K + 1, 0)

    def advance(self, states_N: Ints, words_NC: Ints) -> tuple[Floats, Ints]:
        """Return log_p_NC of each candidate after each text, and the states_NC that follow.

        A state is a node that an earlier call returned, or `start`. A word that the model lacks is
        given as the place of `<unk>`.
        """
        words_K = words_NC.ravel()
        context_K = np.repeat(states_N, words_NC.shape[1])
        log_p_K, next_K = np.zeros(len(words_K)), np.zeros(len(words_K), np.int64)
        open_K = np.arange(len(words_K))
        while len(open_K):
            found = self.child(context_K[open_K], words_K[open_K])
            hits = found > 0
            done, nodes = open_K[hits], found[hits]
            log_p_K[done] += self.log_p_G[nodes]
            next_K[done] = self._state_G[nodes]
            open_K = open_K[~hits]
            log_p_K[open_K] += self.backoff_G[context_K[open_K]]
            context_K[open_K] = self.suffix_G[context_K[open_K]]
        return log_p_K.reshape(words_NC.shape), next_K.reshape(words_NC.shape)

    def log_probability(self, words: Sequence[int]) -> float:
        """Return the natural logarithm of a whole sentence's probability, its end included."""
        state, total = np.array([self.start]), 0.0
        for word in [*words, self.index[END]]:
            log_p_NC, states_NC = self.advance(state, np.array([[word]]))
            state, total = states_NC[:, 0], total + float(log_p_NC[0, 0])
        return total
