"""Which layers get new modules, and how many parameters that is on large-v2."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import WhisperForConditionalGeneration

from mothertongue.config import parse
from mothertongue.errors import ConfigError
from mothertongue.model.sizes import openai_config
from mothertongue.strategies.base import Strategy, Whisper, trained_parameters
from mothertongue.strategies.bottleneck import BottleneckAdapters
from mothertongue.strategies.freeze import Freeze
from mothertongue.strategies.full import Full
from mothertongue.strategies.lora import Lora
from mothertongue.strategies.reinit import Reinit

LARGE_V2 = 1_543_304_960  # openai/whisper-large-v2
ENCODER_LAYER = 19_676_160
STEM = 80 * 1280 * 3 + 1280 + 1280 * 1280 * 3 + 1280
POSITIONS = 1500 * 1280  # of the encoder: constants
ADAPTER = 2 * 1280 + (1280 * 64 + 64) + (64 * 1280 + 1280)


@pytest.fixture
def large_v2() -> Callable[[], Whisper]:
    def make() -> Whisper:
        with torch.device("meta"):
            return WhisperForConditionalGeneration(openai_config("large-v2"))

    return make


def count(strategy: Strategy, model: Whisper) -> tuple[int, int]:
    """Trained, and all."""
    tuned = strategy.apply(model, seed=0)
    everything = sum(each.numel() for each in tuned.parameters())
    return sum(each.numel() for each in trained_parameters(tuned).values()), everything


def test_the_base_has_its_published_size(large_v2: Callable[[], Whisper]) -> None:
    assert sum(each.numel() for each in large_v2().parameters()) == LARGE_V2
    assert count(Full(), large_v2()) == (LARGE_V2 - POSITIONS, LARGE_V2)


@pytest.mark.parametrize(
    ("strategy", "trained"),
    [
        (Lora(preset="paper", rank=32, alpha=64), 10_485_760),
        (Lora(preset="peft", rank=32, alpha=64), 15_728_640),
        (BottleneckAdapters(dim=64), 10_735_616),
        (BottleneckAdapters(dim=64, encoder_top=9), 6_877_504),
        (BottleneckAdapters(dim=64, encoder_top=9), 41 * ADAPTER),
        (Freeze(encoder_layers=20), LARGE_V2 - POSITIONS - STEM - 20 * ENCODER_LAYER),
        (Freeze(encoder_layers=20, stem=False), LARGE_V2 - POSITIONS - 20 * ENCODER_LAYER),
        (
            Freeze(encoder_layers=32),
            LARGE_V2 - POSITIONS - STEM - 32 * ENCODER_LAYER - 2 * 1280,
        ),
        (Reinit(encoder_layers=1), LARGE_V2 - POSITIONS - STEM - 31 * ENCODER_LAYER),
    ],
    ids=repr,
)
def test_large_v2_trains_exactly_so_many(
    strategy: Strategy, trained: int, large_v2: Callable[[], Whisper]
) -> None:
    assert count(strategy, large_v2())[0] == trained


def test_the_papers_lora_is_0_675_percent(large_v2: Callable[[], Whisper]) -> None:
    trained, everything = count(Lora(preset="paper", rank=32, alpha=64), large_v2())
    assert everything == LARGE_V2 + trained
    assert round(100 * trained / everything, 3) == 0.675


@pytest.mark.parametrize(
    ("settings", "encoder", "decoder", "prefix"),
    [
        ({}, [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], 0),
        ({"encoder_top": 2}, [4, 5], [0, 1, 2, 3, 4, 5], 4),
        ({"encoder_top": 0, "decoder_top": 1}, [], [5], 6),
        ({"encoder_layers": [3, 1], "decoder": False}, [1, 3], [], 1),
        ({"encoder_top": 6, "decoder_layers": []}, [0, 1, 2, 3, 4, 5], [], 0),
    ],
)
def test_places(
    settings: dict[str, Any], encoder: list[int], decoder: list[int], prefix: int
) -> None:
    strategy, config = BottleneckAdapters(**settings), openai_config("base")
    assert strategy.encoder_places(config) == encoder
    assert strategy.decoder_places(config) == decoder
    with torch.device("meta"):
        model = WhisperForConditionalGeneration(config)
    assert strategy.frozen_prefix(model) == prefix


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"encoder_top": 7}, "encoder_top: 7, but this Whisper has 6 encoder layers"),
        ({"decoder_layers": [6]}, r"decoder_layers: \[6\].*0 to 5"),
        ({"encoder_layers": [1, 1]}, "each at most once"),
        ({"encoder_top": 0, "decoder": False}, "nothing would train"),
    ],
)
def test_layers_that_are_not_there_are_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Lora(**settings).check(openai_config("base"))


@pytest.mark.parametrize(
    "settings",
    [{"encoder_top": 1, "encoder_layers": [0]}, {"decoder": False, "decoder_top": 1}],
)
def test_a_setting_without_effect_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="no effect"):
        parse(Lora, settings, "x.yaml")
