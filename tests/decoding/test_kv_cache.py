"""Our decoder beside transformers' own, without its cache: the same scores for every strategy.

Each clip is at a position of its own, and has a context of its own.
"""

import copy
from collections.abc import Sequence

import pytest
import torch
from tiny import tiny_model
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import WhisperForConditionalGeneration

from mothertongue.decoding.kv_cache import GROWTH_TOKENS, KeyValueCache
from mothertongue.model.tokenizer import Tokens
from mothertongue.strategies.base import Strategy
from mothertongue.strategies.bottleneck import BottleneckAdapters
from mothertongue.strategies.full import Full
from mothertongue.strategies.lora import Lora

Whisper = WhisperForConditionalGeneration
STRATEGIES: list[Strategy] = [
    Full(),
    BottleneckAdapters(dim=8),
    Lora(preset="all-linear", rank=4, alpha=8, dropout=0.0),
]
LENGTHS = (100, 150, 50)  # encoder frames


@pytest.fixture(params=STRATEGIES, ids=lambda each: each.kind)
def tuned(request: pytest.FixtureRequest, model: Whisper) -> Whisper:
    """The tiny model under a strategy, moved away from the base as training would."""
    tuned = request.param.apply(copy.deepcopy(model), seed=0).eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return tuned


@pytest.fixture
def hidden_TD() -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(length, 64, generator=generator) for length in LENGTHS]


def expected(model: Whisper, hidden_TD: Tensor, tokens_L: Tensor) -> Tensor:
    """(V,): transformers' scores of the token after these, everything computed anew."""
    states = model.model.decoder(
        input_ids=tokens_L[None], encoder_hidden_states=hidden_TD[None], use_cache=False
    ).last_hidden_state
    return model.proj_out(states[0, -1])


def draw(count: int, seed: int = 0) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 50_000, (count,), generator=generator).tolist()


class Rows:
    """Keep what each row of a cache was told, beside the cache."""

    def __init__(self, model: Whisper, slots: int, beam_size: int = 1) -> None:
        self.model, self.size = model, beam_size
        self.cache = KeyValueCache(model, slots, beam_size)
        self.hidden: list[Tensor] = [torch.empty(0)] * slots
        self.said: list[list[int]] = [[]] * (slots * beam_size)

    def admit(
        self, slots: Sequence[int], hidden: Sequence[Tensor], prefixes: Sequence[int]
    ) -> None:
        """Give slots to clips, with prefixes of so many tokens and one that is not yet read."""
        said = [draw(count, seed=100 + count) for count in prefixes]
        frames, longest = [len(each) for each in hidden], max(prefixes)
        self.cache.make_room(longest, max(frames))
        self.cache.admit(
            pad_sequence(list(hidden), batch_first=True),
            torch.tensor(frames),
            torch.tensor([each + [0] * (longest - len(each)) for each in said]),
            torch.tensor(slots),
        )
        for slot, heard, each in zip(slots, hidden, said, strict=True):
            self.hidden[slot] = heard
            self.said[slot * self.size : (slot + 1) * self.size] = [each] * self.size

    def step(self, seed: int, parents: Sequence[int] | None = None) -> Tensor:
        """Give each row another token, on top of the past of its parent."""
        count = len(self.said)
        parents, tokens = parents or range(count), draw(count, seed)
        positions = [len(self.said[row]) for row in parents]
        frames = [len(self.hidden[row // self.size]) for row in range(count)]
        self.said = [[*self.said[row], token] for row, token in zip(parents, tokens, strict=True)]
        self.cache.make_room(max(positions) + 1, max(frames))
        step = torch.tensor([tokens, list(parents), positions, frames, [0] * count])
        return self.cache.logits(step, max(positions) + 1, max(frames))

    def check(self, found_NV: Tensor) -> None:
        wanted = [
            expected(self.model, self.hidden[row // self.size], torch.tensor(said))
            for row, said in enumerate(self.said)
        ]
        torch.testing.assert_close(found_NV, torch.stack(wanted), rtol=1e-4, atol=1e-4)


def test_scores_are_those_of_transformers(tuned: Whisper, hidden_TD: list[Tensor]) -> None:
    """Past the point where the room for keys grows."""
    rows = Rows(tuned, 3)
    rows.admit([0, 1, 2], hidden_TD, [3, 5, 1])
    for seed in range(GROWTH_TOKENS + 3):
        found_NV = rows.step(seed)
        if seed % 16 == 0 or GROWTH_TOKENS - 6 < seed < GROWTH_TOKENS:
            rows.check(found_NV)


def test_a_clip_takes_the_slot_of_another(tuned: Whisper, hidden_TD: list[Tensor]) -> None:
    rows = Rows(tuned, 2)
    rows.admit([0, 1], hidden_TD[:2], [3, 3])
    for seed in range(6):
        rows.step(seed)
    rows.cache.audio[0][:, 1] = rows.cache.text[1][:, 1] = torch.nan
    rows.admit([1], hidden_TD[2:], [4])
    for seed in range(3):
        rows.check(rows.step(seed))


def test_beams_go_on_from_the_past_of_another(tuned: Whisper, hidden_TD: list[Tensor]) -> None:
    """Three beams a clip, which share what they hear; a beam may come from one that comes back."""
    rows = Rows(tuned, 3, beam_size=3)
    rows.admit([0, 1, 2], hidden_TD, [3, 4, 2])
    rows.step(0)
    for seed, parents in enumerate(
        ([1, 1, 0, 3, 4, 5, 8, 6, 6], [2, 0, 1, 5, 5, 5, 7, 8, 6], [0, 0, 0, 4, 3, 5, 8, 8, 7])
    ):
        rows.check(rows.step(seed, parents))


def test_a_clip_moves_with_all_of_its_past(tuned: Whisper, hidden_TD: list[Tensor]) -> None:
    rows = Rows(tuned, 3, beam_size=2)
    rows.admit([0, 1, 2], hidden_TD, [3, 4, 2])
    rows.step(0)
    rows.step(1, [1, 0, 2, 2, 4, 5])
    rows.cache.move(2, 0)
    rows.hidden, rows.said = [hidden_TD[2], hidden_TD[1]], [*rows.said[4:], *rows.said[2:4]]
    for seed in range(2):
        rows.check(rows.step(seed, [1, 0, 2, 3]))


def test_half_precision(tokens: Tokens, hidden_TD: list[Tensor]) -> None:
    found = []
    for dtype in (torch.bfloat16, torch.float32):
        rows = Rows(tiny_model(tokens).to(dtype), 3)
        rows.admit([0, 1, 2], [each.to(dtype) for each in hidden_TD], [3, 4, 5])
        found.append(rows.step(0))
    assert found[0].dtype == torch.float32
    assert torch.cosine_similarity(*found).min() > 0.999
