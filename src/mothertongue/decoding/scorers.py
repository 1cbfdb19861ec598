"""Open what takes part in a search beside the model: a language model, hot words, or both."""

from typing import Any, Protocol

from mothertongue.decoding.beams import Scorer
from mothertongue.decoding.hotwords import DEFAULT_WEIGHT, HotWords, read_words
from mothertongue.decoding.lm.ngrams import Floats, Ints
from mothertongue.decoding.lm.scorer import open_scorer
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.model.tokenizer import Tokens


class TextScorer(Scorer, Protocol):
    """A scorer of a search that also scores whole texts."""

    def gain(self, text: list[int]) -> float:
        """Return the gain of a whole text, with its end, in nats."""
        ...


class Both:
    """Two scorers that take part in a search together."""

    def __init__(self, first: TextScorer, second: HotWords) -> None:
        self.first, self.second, self.size = first, second, len(second.children)
        self.start = self._joined(first.start, second.start)

    def advance(self, states_N: Ints, tokens_NC: Ints) -> tuple[Floats, Ints]:
        """Return the sum of the gains, and the states_NC of both."""
        one_NC, ones_NC = self.first.advance(states_N // self.size, tokens_NC)
        two_NC, twos_NC = self.second.advance(states_N % self.size, tokens_NC)
        return one_NC + two_NC, self._joined(ones_NC, twos_NC)

    def gain(self, text: list[int]) -> float:
        """Return the gain of a whole text, with its end."""
        return float(self.first.gain(text) + self.second.gain(text))

    def _joined(self, first: Any, second: Any) -> Any:
        return first * self.size + second


def scorer_of(config: DecodeConfig, tokens: Tokens) -> TextScorer | None:
    """Open what the settings of decoding name; None where they name nothing.

    Raises ConfigError or DataError where a file or a folder does not fit.
    """
    model = open_scorer(config.lm, config.lm_weight, tokens)
    if config.hotwords is None:
        return model
    weight = DEFAULT_WEIGHT if config.hotwords_weight is None else config.hotwords_weight
    words = HotWords(read_words(config.hotwords), tokens, weight)
    return words if model is None else Both(model, words)
