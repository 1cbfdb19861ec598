"""Greedy and beam search over Whisper's decoder, batched; finished clips leave the batch.

B clips, K beams, T encoder frames, D width, V vocabulary, L tokens so far.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache, WhisperForConditionalGeneration

from mothertongue.decoding.transcript import loop_length

LEAVE_AT = (
    0.7  # rows leave when fewer than this share of them is alive: each leave copies the cache
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What may never be written: (V,) masks of 0 and -inf; `first_V` holds at the first token."""

    always_V: Tensor
    first_V: Tensor
    end: int


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The tokens between prefix and end token, and the sum of their log-probabilities."""

    tokens: list[int]
    log_probability: float


class DecoderState:
    """Whisper's decoder and what it remembers of each row: keys, values, encoder output."""

    def __init__(self, model: WhisperForConditionalGeneration, hidden_BTD: Tensor) -> None:
        self.model = model
        self.hidden_BTD = hidden_BTD
        self.cache = EncoderDecoderCache(DynamicCache(), DynamicCache())

    def log_probabilities(self, tokens_BL: Tensor) -> Tensor:
        """(B, V) float32: of the token after these, which are appended to what is remembered."""
        hidden_BLD = self.model.model.decoder(
            input_ids=tokens_BL,
            encoder_hidden_states=self.hidden_BTD,
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        return self.model.proj_out(hidden_BLD[:, -1]).float().log_softmax(-1)

    def select(self, rows: Tensor) -> None:
        """Keep these rows only, in this order; a row may be taken several times."""
        self.cache.batch_select_indices(rows)
        self.hidden_BTD = self.hidden_BTD[rows]


def greedy(
    model: WhisperForConditionalGeneration,
    hidden_BTD: Tensor,
    prefixes: Sequence[Sequence[int]],
    limits: Sequence[int],
    rules: Rules,
) -> list[Hypothesis]:
    """The most likely next token at every step, for each clip up to its own limit of tokens."""
    state = DecoderState(model, hidden_BTD)
    found = [Hypothesis([], 0.0) for _ in prefixes]
    rows = list(range(len(prefixes)))
    tokens_BL = torch.tensor(prefixes, device=hidden_BTD.device)
    done: set[int] = set()
    for step in range(max(limits)):
        scores_BV = state.log_probabilities(tokens_BL) + rules.always_V
        if step == 0:
            scores_BV += rules.first_V
        best_B, next_B = scores_BV.max(-1)
        for row, token, score in zip(rows, next_B.tolist(), best_B.tolist(), strict=True):
            if row not in done:
                found[row] = _extended(found[row], token, score, rules.end)
                if token == rules.end or _is_over(found[row].tokens, limits[row]):
                    done.add(row)
        alive = [i for i, row in enumerate(rows) if row not in done]
        if not alive:
            break
        tokens_BL = next_B[:, None]
        if len(alive) < LEAVE_AT * len(rows):
            kept = torch.tensor(alive, device=hidden_BTD.device)
            state.select(kept)
            tokens_BL, rows = tokens_BL[kept], [rows[i] for i in alive]
    return found


def beam(
    model: WhisperForConditionalGeneration,
    hidden_BTD: Tensor,
    prefixes: Sequence[Sequence[int]],
    limits: Sequence[int],
    rules: Rules,
    beam_size: int,
) -> list[Hypothesis]:
    """Beam search: a clip is done when `beam_size` hypotheses ended; the best per token wins.

    The rule for ending is openai/whisper's `BeamSearchDecoder` with patience 1, and its ranking by
    log-probability over length.
    """
    device = hidden_BTD.device
    state = DecoderState(model, hidden_BTD.repeat_interleave(beam_size, 0))
    tokens_BL = torch.tensor(prefixes, device=device).repeat_interleave(beam_size, 0)
    beams = [_Beams(beam_size, limit) for limit in limits]
    rows = list(range(len(prefixes)))
    for step in range(max(limits)):
        scores_NV = state.log_probabilities(tokens_BL) + rules.always_V
        if step == 0:
            scores_NV += rules.first_V
        top = scores_NV.topk(2 * beam_size, dim=-1)
        values, choices = top.values.tolist(), top.indices.tolist()
        sources: list[int] = []
        chosen: list[int] = []
        for place, row in enumerate(rows):
            window = slice(place * beam_size, (place + 1) * beam_size)
            kept = beams[row].advance(values[window], choices[window], rules.end)
            sources += [place * beam_size + source for source, _ in kept]
            chosen += [token for _, token in kept]
        alive = [row for row in rows if not beams[row].is_done]
        if not alive:
            break
        places = [i for i, row in enumerate(rows) if not beams[row].is_done]
        keep = [n for i in places for n in range(i * beam_size, (i + 1) * beam_size)]
        state.select(torch.tensor([sources[n] for n in keep], device=device))
        tokens_BL = torch.tensor([[chosen[n]] for n in keep], device=device)
        rows = alive
    return [each.best() for each in beams]


class _Beams:
    """The hypotheses of one clip, alive and finished."""

    def __init__(self, size: int, limit: int) -> None:
        self.size, self.limit = size, limit
        self.alive = [Hypothesis([], 0.0)]
        self.finished: list[Hypothesis] = []

    @property
    def is_done(self) -> bool:
        return len(self.finished) >= self.size

    def advance(
        self, values: list[list[float]], choices: list[list[int]], end: int
    ) -> list[tuple[int, int]]:
        """The (row of the past, next token) of each beam that goes on, after one more token."""
        candidates = sorted(
            (
                (parent.log_probability + value, source, token)
                for source, parent in enumerate(self.alive)
                for value, token in zip(values[source], choices[source], strict=True)
            ),
            key=lambda candidate: -candidate[0],
        )
        going: list[tuple[float, int, int]] = []
        for total, source, token in candidates:
            tokens = self.alive[source].tokens
            if token == end:
                self.finished.append(Hypothesis(tokens, total))
            elif _is_over([*tokens, token], self.limit):
                self.finished.append(Hypothesis([*tokens, token], total))
            else:
                going.append((total, source, token))
            if len(going) == self.size or self.is_done:
                break
        going += [going[-1] if going else (-torch.inf, 0, end)] * (self.size - len(going))
        self.alive = [Hypothesis([*self.alive[s].tokens, t], total) for total, s, t in going]
        return [(source, token) for _, source, token in going]

    def best(self) -> Hypothesis:
        """The finished hypothesis of the highest log-probability per token."""
        return max(
            self.finished or self.alive,
            key=lambda each: each.log_probability / (len(each.tokens) + 1),
        )


def _extended(hypothesis: Hypothesis, token: int, score: float, end: int) -> Hypothesis:
    tokens = hypothesis.tokens if token == end else [*hypothesis.tokens, token]
    return Hypothesis(tokens, hypothesis.log_probability + score)


def _is_over(tokens: list[int], limit: int) -> bool:
    return len(tokens) >= limit or loop_length(tokens) > 0
