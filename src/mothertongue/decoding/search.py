"""Greedy and beam search over Whisper's decoder, batched; finished clips leave the batch.

B clips, K beams, N = B x K rows, T encoder frames, D width, V vocabulary, L tokens so far.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from transformers import WhisperForConditionalGeneration

from mothertongue.decoding.kv_cache import DecoderState
from mothertongue.decoding.loops import is_loop
from mothertongue.model.adapters import AdapterAssignment

LEAVE_AT = 0.7  # finished clips leave below this share of unfinished: leaving copies the cache

# Of a beam's next tokens one may be the end, and one may close a loop. Not two: a text that repeats
# two cycles repeats the largest cycle that both are made of (Fine and Wilf 1965).
SPARE_CHOICES = 2

SCORED_CHOICES = 32
"""The number of likeliest next tokens of a text that a language model scores."""

Array = np.ndarray[Any, np.dtype[Any]]
Choice = tuple[int, float, float, int]
"""A next token, its log-probability, what a language model adds to it, and its state after it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Masks that suppress tokens: (V,) of 0 and -inf; `first_V` is for the first token."""

    always_V: Tensor
    first_V: Tensor
    end: int


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


def greedy(
    model: WhisperForConditionalGeneration,
    hidden_TD: Sequence[Tensor],
    prefixes: Sequence[Sequence[int]],
    limits: Sequence[int],
    rules: Rules,
    adapter_rows: AdapterAssignment | None = None,
) -> list[Hypothesis]:
    """Take the most likely token at every step, for each clip up to its limit of tokens.

    `hidden_TD`: the encoder's output of each clip, of any length. `adapter_rows`: which adapter
    each clip takes, where the model mixes them.
    """
    state = DecoderState(model, hidden_TD, 1, adapter_rows)
    tokens_BL = torch.tensor(prefixes, device=hidden_TD[0].device)
    found = [Hypothesis([], 0.0) for _ in prefixes]
    clips = list(range(len(prefixes)))  # the clip of each row
    unfinished = set(clips)
    while unfinished:
        is_first = tokens_BL.shape[1] > 1
        scores_BV = _log_probabilities(state.logits(tokens_BL), rules, is_first)
        best_B, next_B = scores_BV.max(-1)
        for clip, token, score in zip(clips, next_B.tolist(), best_B.tolist(), strict=True):
            if clip in unfinished:
                found[clip] = _extended(found[clip], token, score, 0.0, 0, rules.end)
                if token == rules.end or _is_over(found[clip].tokens, limits[clip]):
                    unfinished.remove(clip)
        tokens_BL = next_B[:, None]
        if 0 < len(unfinished) < LEAVE_AT * len(clips):
            rows = [row for row, clip in enumerate(clips) if clip in unfinished]
            state.select(rows)
            tokens_BL, clips = tokens_BL[rows], [clips[row] for row in rows]
    return found


def beam(
    model: WhisperForConditionalGeneration,
    hidden_TD: Sequence[Tensor],
    prefixes: Sequence[Sequence[int]],
    limits: Sequence[int],
    rules: Rules,
    beam_size: int,
    adapter_rows: AdapterAssignment | None = None,
    scorer: Scorer | None = None,
) -> list[Hypothesis]:
    """Search with beams: a clip is done when `beam_size` hypotheses are finished; the best wins.

    As openai/whisper and CTranslate2 with patience 1 and no length penalty. A scorer's gains count
    in all that the search decides, and not in the log-probabilities that are returned.
    """
    state = DecoderState(model, hidden_TD, beam_size, adapter_rows)
    tokens_NL = torch.tensor(prefixes, device=hidden_TD[0].device).repeat_interleave(beam_size, 0)
    begin = Hypothesis([], 0.0, state=scorer.start if scorer else 0)
    clips = [_Beams(beam_size, limit, rules.end, begin) for limit in limits]
    unfinished = clips
    while unfinished:
        is_first = tokens_NL.shape[1] > 1
        scores_NV = _log_probabilities(state.logits(tokens_NL), rules, is_first)
        states = [state for clip in unfinished for state in clip.states()]
        choices = _choices(scores_NV, states, beam_size + SPARE_CHOICES, scorer)
        steps = [
            clip.advance(choices[place * beam_size : (place + 1) * beam_size])
            for place, clip in enumerate(unfinished)
        ]
        rows = [place * beam_size + row for place, step in enumerate(steps) for row, _ in step]
        tokens_NL = tokens_NL.new_tensor([token for step in steps for _, token in step])[:, None]
        still = [clip for clip in unfinished if not clip.is_done]
        if len(still) == len(unfinished):
            state.reorder(rows)
        elif still:
            state.select(rows)
        unfinished = still
    return [clip.best() for clip in clips]


class _Beams:
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


def _choices(
    scores_NV: Tensor, states_N: Sequence[int], count: int, scorer: Scorer | None
) -> list[list[Choice]]:
    """The `count` best next tokens of each row."""
    if scorer is None:
        top = scores_NV.topk(count)
        rows = zip(top.values.tolist(), top.indices.tolist(), strict=True)
        return [[(token, value, 0.0, 0) for value, token in zip(*row, strict=True)] for row in rows]
    top = scores_NV.topk(min(max(count, SCORED_CHOICES), scores_NV.shape[1]))
    values_NC, tokens_NC = top.values.cpu().numpy(), top.indices.cpu().numpy()
    gains_NC, states_NC = scorer.advance(np.array(states_N), tokens_NC)
    best_NC = np.argsort(-(values_NC + gains_NC), axis=1, kind="stable")[:, :count]
    kept = (
        np.take_along_axis(each, best_NC, 1).tolist()
        for each in (tokens_NC, values_NC, gains_NC, states_NC)
    )
    return [list(zip(*row, strict=True)) for row in zip(*kept, strict=True)]


def _log_probabilities(logits_NV: Tensor, rules: Rules, is_first: bool) -> Tensor:
    """Return (N, V): -inf for forbidden tokens, the others sum to one, as in openai/whisper."""
    allowed_NV = logits_NV + rules.always_V
    return (allowed_NV + rules.first_V if is_first else allowed_NV).log_softmax(-1)


def _extended(
    hypothesis: Hypothesis, token: int, value: float, gain: float, state: int, end: int
) -> Hypothesis:
    tokens = hypothesis.tokens if token == end else [*hypothesis.tokens, token]
    return Hypothesis(tokens, hypothesis.log_probability + value, hypothesis.gain + gain, state)


def _is_over(tokens: list[int], limit: int) -> bool:
    return len(tokens) >= limit or is_loop(tokens)
