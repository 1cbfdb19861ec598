"""An adapter that is switched off gives the base's transcripts back, to the last bit."""

import copy
from collections.abc import Iterator

import pytest
import torch
from talker import eight_clips, talkative

from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig, Transcript
from mothertongue.model.tokenizer import Tokens
from mothertongue.strategies.base import Strategy, Whisper, trained_parameters
from mothertongue.strategies.bottleneck import BottleneckAdapters
from mothertongue.strategies.lora import Lora

STRATEGIES = (BottleneckAdapters(dim=4), Lora(rank=2, preset="all-linear"))
CLIPS = eight_clips()

each_strategy = pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda each: each.kind)
each_beam = pytest.mark.parametrize("beam_size", [1, 3])
each_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture(scope="module")
def base(tokens: Tokens) -> Whisper:
    return talkative(tokens)


@pytest.fixture(scope="module")
def heard_by_base(base: Whisper, tokens: Tokens):
    """What the base makes of the clips, by dtype and beam; made once each."""
    found: dict[tuple[torch.dtype, int], list[Transcript]] = {}

    def heard(dtype: torch.dtype, beam_size: int) -> list[Transcript]:
        key = dtype, beam_size
        if key not in found:
            found[key] = transcriber(base, tokens, dtype, beam_size)(CLIPS, "sw")
        return found[key]

    return heard


def transcriber(
    model: Whisper, tokens: Tokens, dtype: torch.dtype = torch.float32, beam_size: int = 1
) -> TorchTranscriber:
    config = DecodeConfig(beam_size=beam_size, batch_size=3, detect_language=True)
    return TorchTranscriber(model, tokens, context="full", config=config, dtype=dtype)


def tuned(base: Whisper, strategy: Strategy) -> Whisper:
    """The base with adapters that change what is said."""
    model = strategy.apply(copy.deepcopy(base), 0)
    generator = torch.Generator().manual_seed(0)
    for weight in trained_parameters(model).values():
        weight.copy_(0.5 * torch.randn(weight.shape, generator=generator))
    return model


@each_dtype
@each_beam
@each_strategy
def test_switched_off_it_is_the_base_and_switched_on_it_is_not(
    strategy: Strategy, beam_size: int, dtype: torch.dtype, base, heard_by_base, tokens: Tokens
) -> None:
    expected = heard_by_base(dtype, beam_size)
    model = tuned(base, strategy)
    with strategy.adapters_disabled(model):
        off = transcriber(model, tokens, dtype, beam_size)(CLIPS, "sw")
    on = transcriber(model, tokens, dtype, beam_size)(CLIPS, "sw")
    assert off == expected  # tokens, text, log-probability, cut and detected language
    assert all(mine.tokens != other.tokens for mine, other in zip(on, expected, strict=True))


@each_strategy
def test_a_copy_in_another_dtype_keeps_what_was_on_when_it_was_made(
    strategy: Strategy, base: Whisper, heard_by_base, tokens: Tokens
) -> None:
    model = tuned(base, strategy)
    with strategy.adapters_disabled(model):
        made_off = transcriber(model, tokens, torch.bfloat16)
    made_on = transcriber(model, tokens, torch.bfloat16)
    expected = heard_by_base(torch.bfloat16, 1)
    on = made_on(CLIPS, "sw")
    with strategy.adapters_disabled(model):
        assert made_on(CLIPS, "sw") == on != expected
    assert made_off(CLIPS, "sw") == expected


def test_the_base_says_many_things_at_all(heard_by_base) -> None:
    """Else equal transcripts would prove little."""
    heard = heard_by_base(torch.float32, 1)
    assert len({each.tokens for each in heard}) >= 5
    assert len({each.average_log_probability for each in heard}) == len(CLIPS)
    assert len({each.detected_language for each in heard}) >= 3
    assert sum(not each.looped for each in heard) >= 5
