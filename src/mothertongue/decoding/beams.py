"""The hypotheses of one clip in a greedy or beam search. No torch.

K beams, N rows, C candidates for the next token of a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mothertongue.decoding.loops import is_loop

# Of a beam's next tokens one may be the end, and one may close a loop. Not two: a text that repeats
# two cycles repeats the largest cycle that both are made of (Fine and Wilf 1965).
SPARE_CHOICES = 2

SCORED_CHOICES = 32
"""The number of likeliest next tokens of a text that a language model scores."""

Array = np.ndarray[Any, np.dtype[Any]]
Choice = tuple[int, float, float, int]
"""A next token, its log-probability, what a language model adds to it, and its state after it."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The tokens between prefix and end token, and the sum of log-probabilities with the end."""

    tokens: list[int]
    log_probability: float
    gain: float = 0.0
    """The sum that a language model adds to the log-probability in the search, in nats."""
    state: int = 0
    """The language model's state."""

    @property
    def score(self) -> float:
        """The number that decides in the search."""
        return self.log_probability + self.gain

    @property
    def average_log_probability(self) -> float:
        """The log-probability per token, with the end as one more, as openai/whisper counts."""
        return self.log_probability / (len(self.tokens) + 1)


class Scorer(Protocol):
    """A language model that takes part in the search."""

    start: int
    """The state of a text that begins."""

    def advance(self, states_N: Array, tokens_NC: Array) -> tuple[Array, Array]:
        """Return the gain of each candidate token's log-probability, and the states_NC after it."""
        ...


class Beams:
    """The hypotheses of one clip, alive and finished."""

    def __init__(self, size: int, limit: int, end: int, begin: Hypothesis) -> None:
        self.size, self.limit, self.end = size, limit, end
        self.alive = [begin]
        self.finished: list[Hypothesis] = []

    @property
    def is_done(self) -> bool:
        return len(self.finished) >= self.size

    def states(self) -> list[int]:
        """The language model's state of each of the K rows; those without a text repeat one."""
        states = [each.state for each in self.alive]
        return states + states[:1] * (self.size - len(states))

    def advance(self, choices: Sequence[Sequence[Choice]]) -> list[tuple[int, int]]:
        """The (row of the past, next token) of each beam after one more token; none when done.

        As in CTranslate2 and transformers, only what is among the K best candidates may finish: a
        poor ending must not use up the patience.
        """
        going: list[tuple[int, int, Hypothesis]] = []
        for rank, (row, token, hypothesis) in enumerate(self._candidates(choices)):
            if token != self.end and not _is_over(hypothesis.tokens, self.limit):
                going.append((row, token, hypothesis))
            elif rank < self.size:
                self.finished.append(hypothesis)
            if len(going) == self.size:
                break
        self.alive = [hypothesis for _, _, hypothesis in going]
        return [] if self.is_done else [(row, token) for row, token, _ in going]

    def best(self) -> Hypothesis:
        """The hypothesis of the highest score per token, of those that ended.

        One that was stopped, at its limit or in a loop, is the best only where none ended.
        """

        def rank(each: Hypothesis) -> tuple[bool, float]:
            has_ended = not _is_over(each.tokens, self.limit)
            # As in openai/whisper, the end counts for the average that is told, but not here.
            return has_ended, each.score / max(1, len(each.tokens))

        return max(self.finished, key=rank)

    def _candidates(self, choices: Sequence[Sequence[Choice]]) -> list[tuple[int, int, Hypothesis]]:
        """Every (row, next token, hypothesis of both), the best first."""
        candidates = [
            (row, choice[0], _extended(parent, *choice, self.end))
            for row, parent in enumerate(self.alive)
            for choice in choices[row]
        ]
        return sorted(candidates, key=lambda each: -each[2].score)


def choices_needed(beam_size: int, scorer: Scorer | None) -> int:
    """Return how many of the likeliest next tokens of each row the search looks at."""
    if scorer is not None:
        return max(beam_size + SPARE_CHOICES, SCORED_CHOICES)
    return beam_size + SPARE_CHOICES if beam_size > 1 else 1


def choices_without_scorer(values_NC: Array, tokens_NC: Array) -> list[list[Choice]]:
    """Return the next tokens of each row, the best first as they are given."""
    rows = zip(values_NC.tolist(), tokens_NC.tolist(), strict=True)
    return [[(token, value, 0.0, 0) for value, token in zip(*row, strict=True)] for row in rows]


def choices_of_scorer(
    values_NC: Array, tokens_NC: Array, states_N: Sequence[int], scorer: Scorer, beam_size: int
) -> list[list[Choice]]:
    """Return the next tokens of each row that are best with the gains of a language model."""
    gains_NC, states_NC = scorer.advance(np.array(states_N), tokens_NC)
    best_NC = np.argsort(-(values_NC + gains_NC), axis=1, kind="stable")
    best_NC = best_NC[:, : beam_size + SPARE_CHOICES]
    kept = (
        np.take_along_axis(each, best_NC, 1).tolist()
        for each in (tokens_NC, values_NC, gains_NC, states_NC)
    )
    return [list(zip(*row, strict=True)) for row in zip(*kept, strict=True)]


def _extended(
    hypothesis: Hypothesis, token: int, value: float, gain: float, state: int, end: int
) -> Hypothesis:
    tokens = hypothesis.tokens if token == end else [*hypothesis.tokens, token]
    return Hypothesis(tokens, hypothesis.log_probability + value, hypothesis.gain + gain, state)


def _is_over(tokens: list[int], limit: int) -> bool:
    return len(tokens) >= limit or is_loop(tokens)
