"""Our decoder beside transformers' own, without its cache: the same scores for every strategy."""

import copy
from collections.abc import Callable

import pytest
import torch
from tiny import tiny_model
from torch import Tensor
from transformers import WhisperForConditionalGeneration

from mothertongue.decoding.kv_cache import GROWTH_TOKENS, DecoderState
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


def draw(count: int, length: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 50_000, (count, length), generator=generator)


def assert_equal(found_NV: Tensor, wanted: list[Tensor]) -> None:
    torch.testing.assert_close(found_NV, torch.stack(wanted), rtol=1e-4, atol=1e-4)


def test_scores_are_those_of_transformers(tuned: Whisper, hidden_TD: list[Tensor]) -> None:
    """Clips of different contexts together, past the point where the room for keys grows."""
    said_BL = draw(3, 4)
    state = DecoderState(tuned, hidden_TD)
    found_BV = state.logits(said_BL)
    for step in range(GROWTH_TOKENS + 3):
        if step % 11 == 0 or step > GROWTH_TOKENS - 6:
            pairs = zip(hidden_TD, said_BL, strict=True)
            assert_equal(found_BV, [expected(tuned, *pair) for pair in pairs])
        next_B1 = draw(3, 1, seed=step)
        found_BV = state.logits(next_B1)
        said_BL = torch.cat([said_BL, next_B1], 1)


def test_rows_that_stay_are_not_changed(tuned: Whisper, hidden_TD: list[Tensor]) -> None:
    said_BL = draw(3, 4)
    state = DecoderState(tuned, hidden_TD)
    state.logits(said_BL)
    state.select([2, 0])
    next_B1 = draw(2, 1, seed=5)
    found_BV = state.logits(next_B1)
    said_BL = torch.cat([said_BL[[2, 0]], next_B1], 1)
    heard = [hidden_TD[2], hidden_TD[0]]
    assert_equal(found_BV, [expected(tuned, *pair) for pair in zip(heard, said_BL, strict=True)])


@pytest.mark.parametrize("change", [DecoderState.reorder, DecoderState.select])
def test_beams_go_on_from_the_past_of_another(
    tuned: Whisper, hidden_TD: list[Tensor], change: Callable[[DecoderState, list[int]], None]
) -> None:
    """Two beams a clip, which share what they hear; `select` also drops the middle clip."""
    said_NL = draw(3, 4).repeat_interleave(2, 0)
    state = DecoderState(tuned, hidden_TD, beam_size=2)
    state.logits(said_NL)
    first_N1 = draw(6, 1, seed=6)  # now the two beams of a clip differ
    state.logits(first_N1)
    rows = [1, 1, 2, 3, 5, 4] if change is DecoderState.reorder else [1, 1, 5, 4]
    change(state, rows)
    second_N1 = draw(len(rows), 1, seed=7)
    found_NV = state.logits(second_N1)
    said_NL = torch.cat([torch.cat([said_NL, first_N1], 1)[rows], second_N1], 1)
    heard = [hidden_TD[row // 2] for row in rows]
    assert_equal(found_NV, [expected(tuned, *pair) for pair in zip(heard, said_NL, strict=True)])


def test_what_is_beyond_a_clip_is_not_heard(model: Whisper, hidden_TD: list[Tensor]) -> None:
    """Each clip alone, where nothing is masked, and all together."""
    said_BL = draw(3, 4)
    together_BV = DecoderState(model, hidden_TD).logits(said_BL)
    alone = [
        DecoderState(model, [heard]).logits(said[None])[0]
        for heard, said in zip(hidden_TD, said_BL, strict=True)
    ]
    assert_equal(together_BV, alone)


def test_half_precision(tokens: Tokens, hidden_TD: list[Tensor]) -> None:
    exact, half = tiny_model(tokens), tiny_model(tokens).to(torch.bfloat16)
    said_BL = draw(3, 4)
    found_BV = DecoderState(half, [each.bfloat16() for each in hidden_TD]).logits(said_BL)
    assert found_BV.dtype == torch.float32
    wanted_BV = DecoderState(exact, hidden_TD).logits(said_BL)
    similarity_B = torch.cosine_similarity(found_BV, wanted_BV)
    assert similarity_B.min() > 0.999
