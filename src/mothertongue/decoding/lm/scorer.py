"""Use a language model in a search over Whisper's tokens: shallow fusion.

V tokens of the vocabulary, N texts, C candidates for the next token of each.
"""

from pathlib import Path

import numpy as np

from mothertongue.decoding.lm.folder import open_model
from mothertongue.decoding.lm.ngrams import END, UNKNOWN, Floats, Ints, NGrams
from mothertongue.errors import ConfigError
from mothertongue.model.tokenizer import Tokens


class TokenScorer:
    """Adds weight x log p of a language model to each candidate of a search.

    Shallow fusion, as Gulcehre et al. 2015 (arXiv 1503.03535), equation 6: the sum decides what
    stays in the beam; the model's own probability stays what it was.
    """

    def __init__(self, model: NGrams, tokens: Tokens, weight: float) -> None:
        """`tokens`: the tokenizer of the Whisper that decodes, which the model was made for."""
        self.model, self.weight = model, weight
        self.start = model.start
        unknown = model.index[UNKNOWN]
        texts = [tokens.piece(token) for token in range(tokens.end)]
        word_V = [model.index.get(text, unknown) for text in texts]
        # Control tokens and timestamps are never candidates, but the end is.
        others = [unknown] * (tokens.vocabulary_size - tokens.end - 1)
        self.word_V = np.array([*word_V, model.index[END], *others])

    def advance(self, states_N: Ints, tokens_NC: Ints) -> tuple[Floats, Ints]:
        """Return the gain of each candidate's log-probability, and the states_NC that follow."""
        log_p_NC, states_NC = self.model.advance(states_N, self.word_V[tokens_NC])
        return self.weight * log_p_NC, states_NC

    def gain(self, text: list[int]) -> float:
        """Return the gain of a whole text, with its end."""
        return self.weight * self.model.log_probability(self.word_V[text].tolist())


def open_scorer(folder: Path | None, weight: float | None, tokens: Tokens) -> TokenScorer | None:
    """Open the model in a folder that `build` wrote; None without one, or if its weight is 0.

    Raises ConfigError where no weight is given, or the model is of another tokenizer.
    """
    if folder is None or weight == 0:
        return None
    if weight is None:
        raise ConfigError(
            f"{folder}: how much it weighs was not chosen; give --lm-weight 0.2, or choose it on "
            "validation clips with: mothertongue evaluate MODEL --lm FOLDER"
        )
    return TokenScorer(open_model(folder, tokens), tokens, weight)
