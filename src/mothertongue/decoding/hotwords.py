"""Bias a search towards words of a list, such as names.

V tokens of the vocabulary, N texts, C candidates for the next token of each, S states.

The words form a trie over tokens. A text that follows a word gains with each of its characters; it
keeps what it gained where the word ends as the text does, and returns it where the word breaks off,
but for what whole words inside of it gain.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import regex

from mothertongue.data.scripts import UNSPACED_SCRIPTS
from mothertongue.data.text_cleaning import clean_text
from mothertongue.decoding.lm.ngrams import Floats, Ints
from mothertongue.errors import DataError
from mothertongue.model.tokenizer import Tokens

DEFAULT_WEIGHT = 1.5
LONGEST = 448
"""The most characters of a line. Whisper's texts have at most as many tokens, so a longer line is a
text and no word; the time to read it grows with the square of its length."""
START, INSIDE = 0, 1  # the states outside of every word: before the text's first token, and after

UNSPACED = regex.compile(rf"[{UNSPACED_SCRIPTS}]")
TIBETAN = regex.compile(r"\p{Tibetan}")
GOES_ON = regex.compile(r"[\p{L}\p{M}\p{N}'’\uFFFD]")
"""The first character of a token that continues a word; U+FFFD is a part of a character."""
MARKS = "።፣፤፥፦፧፡।॥؛։׃־߹߸་།༎᠂᠃᙮”"
"""Punctuation that follows a word without a space. Its first token may be a part of a character,
as that of a letter: only its last one tells that the word is over."""


class HotWords:
    """Adds a gain to each candidate of a search that follows a listed word.

    The gain is `weight` nats a token, but not more than `weight` nats a character: in scripts where
    a character has several tokens, the tokens after the first are nearly certain. As the context
    graphs of icefall and NeMo do, a word that breaks off returns its gain, but for that of whole
    words inside of it.
    """

    def __init__(self, words: Sequence[str], tokens: Tokens, weight: float) -> None:
        """`words`: words or phrases, spelled as the model writes them."""
        self.tokens, self.weight, self.start = tokens, weight, START
        self.children: list[dict[int, int]] = [{}, {}]
        self.values = [0.0, 0.0]
        self.paths: list[tuple[int, list[int]]] = [(START, []), (INSIDE, [])]
        self.ends, self.unspaced = [False, False], [False, False]
        for word in words:
            # At its start a text has no space in some scripts: see Tokens.encode.
            self._add(START, tokens.encode(word))
            is_unspaced = UNSPACED.search(word) is not None
            self._add(INSIDE, tokens.encode_exact(word if is_unspaced else f" {word}"))
            if TIBETAN.search(word):  # another word ends before it with a tsheg, or a space
                self._add(INSIDE, tokens.encode_exact(word))
        self._pack()

    def advance(self, states_N: Ints, tokens_NC: Ints) -> tuple[Floats, Ints]:
        """Return the gain of each candidate's log-probability, and the states_NC that follow."""
        is_over_NC = self.is_boundary_V[tokens_NC] | self.unspaced_S[states_N][:, None]
        value_N1, kept_2N = self.values_S[states_N][:, None], self.kept_2S[:, states_N]
        gains_NC = np.where(is_over_NC, kept_2N[1][:, None], kept_2N[0][:, None]) - value_N1
        after_NC = np.full_like(tokens_NC, INSIDE)
        for n, c in np.argwhere(self.is_known_V[tokens_NC]):
            state, token = int(states_N[n]), int(tokens_NC[n, c])
            if (child := self.children[state].get(token)) is not None:
                gains_NC[n, c] = self.values[child] - self.values[state]
            elif (child := self.children[INSIDE].get(token)) is not None:
                gains_NC[n, c] += self.values[child]
            after_NC[n, c] = INSIDE if child is None else child
        return gains_NC, after_NC

    def gain(self, text: list[int]) -> float:
        """Return the gain of a whole text, with its end."""
        state_N, total = np.array([self.start]), 0.0
        for token in [*text, self.tokens.end]:
            gains_NC, states_NC = self.advance(state_N, np.array([[token]]))
            state_N, total = states_NC[:, 0], total + float(gains_NC[0, 0])
        return total

    def _add(self, root: int, word: list[int]) -> None:
        node = root
        for depth, token in enumerate(word, start=1):
            if token not in self.children[node]:
                self.children[node][token] = len(self.children)
                self._new_node(root, word[:depth])
            node = self.children[node][token]
        self.ends[node] = True

    def _new_node(self, root: int, path: list[int]) -> None:
        text = self.tokens.decode(path).replace("\ufffd", "")
        self.children.append({})
        self.values.append(self.weight * min(len(path), len(text)))
        self.paths.append((root, path))
        self.ends.append(False)
        self.unspaced.append(UNSPACED.search(text) is not None)

    def _keep(self) -> None:
        """Note what a text keeps that leaves the words at a node, where the last word there is over
        (1) and where it goes on (0)."""
        self.kept_2S = np.zeros((2, len(self.children)))
        # A shorter path first: what is inside of a path is shorter.
        for node in sorted(range(len(self.paths)), key=lambda each: len(self.paths[each][1])):
            for is_over in (0, 1):
                self.kept_2S[is_over, node] = max(self._kept(node, is_over), default=0.0)

    def _kept(self, node: int, is_over: int) -> Iterator[float]:
        """Yield what the whole words on the way to a node gain, each time others of them."""
        state, path = self.paths[node]
        yield self._inside(path[1:], is_over)
        for depth, token in enumerate(path):
            if self.ends[state] and self._is_over(state, token):
                yield self.values[state] + self._inside(path[depth:], is_over)
            state = self.children[state][token]
        if self.ends[node] and is_over:
            yield self.values[node]

    def _inside(self, path: Sequence[int], is_over: int) -> float:
        """Return what whole words in a path gain, which does not begin a text."""
        state, total = INSIDE, 0.0
        for token in path:
            child = self.children[state].get(token)
            if child is None:
                total += float(self.kept_2S[int(self._is_over(state, token)), state])
                child = self.children[INSIDE].get(token, INSIDE)
            state = child
        return total + float(self.kept_2S[max(is_over, int(self.unspaced[state])), state])

    def _add_marks(self) -> None:
        """Let each word end before a mark of several tokens: after the last one the word is over,
        and after the others it may still go on."""
        tails = [self.tokens.encode_exact(mark) for mark in MARKS]
        has_word_S = self.kept_2S[0] != self.kept_2S[1]
        kept = self.kept_2S.T.tolist()
        for node in np.flatnonzero(has_word_S & ~np.array(self.unspaced)).tolist():
            going_on, over = kept[node]
            for *parts, last in tails:
                at = node
                for token in parts:
                    at = self._mark_node(at, token, self.values[node], going_on, kept)
                self._mark_node(at, last, self.values[node], over, kept)
        self.kept_2S = np.array(kept).T

    def _mark_node(
        self, node: int, token: int, value: float, keeps: float, kept: list[list[float]]
    ) -> int:
        """Return the node of one more token of a mark; a new one keeps the same, whatever comes."""
        if token not in self.children[node]:
            self.children[node][token] = len(self.children)
            self.children.append({})
            self.values.append(value)
            self.unspaced.append(False)
            kept.append([keeps, keeps])
        return self.children[node][token]

    def _is_over(self, state: int, token: int) -> bool:
        return self.unspaced[state] or bool(self.is_boundary_V[token])

    def _pack(self) -> None:
        """Make the arrays that `advance` reads."""
        texts = [self._is_boundary(token) for token in range(self.tokens.end)]
        others = self.tokens.vocabulary_size - self.tokens.end
        self.is_boundary_V = np.array(texts + [True] * others)
        self._keep()
        self._add_marks()
        self.values_S, self.unspaced_S = np.array(self.values), np.array(self.unspaced)
        self.is_known_V = np.zeros(self.tokens.vocabulary_size, bool)
        for children in self.children:
            self.is_known_V[list(children)] = True

    def _is_boundary(self, token: int) -> bool:
        """Return whether the word before a token is over: a space or punctuation follows."""
        return GOES_ON.match(self.tokens.decode_exact([token])) is None


def read_words(path: Path) -> list[str]:
    """Return the words of a file in their order, each once: one a line, UTF-8, # for comments.

    Raises DataError if the file cannot be read, has no words, or a line is no word.
    """
    remedy = "expected UTF-8 text with one word or phrase a line"
    if not path.is_file():  # nobody may ever write into a pipe, and a device has no end
        raise DataError(f"--hotwords {path}: no such file; {remedy}")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeError) as error:
        raise DataError(f"--hotwords {path}: {error}; {remedy}") from error
    # In NFC and without invisible characters, as the texts that models are trained on.
    cleaned = [clean_text(line)[0] for line in lines]
    words = [line for line in cleaned if line and not line.startswith("#")]
    if not words:
        raise DataError(f"--hotwords {path}: no words; {remedy}")
    if (longest := max(map(len, words))) > LONGEST:
        raise DataError(
            f"--hotwords {path}: a line of {longest:,} characters, and at most {LONGEST} are "
            f"allowed; {remedy}"
        )
    return list(dict.fromkeys(words))
