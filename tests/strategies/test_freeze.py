"""What freezing leaves to train, by name."""

import pytest
from runs import byte_tokens
from tiny import tiny_config, tiny_model

from mothertongue.errors import ConfigError
from mothertongue.strategies.base import trained_parameters
from mothertongue.strategies.freeze import Freeze

TOKENS = byte_tokens()


def trained(strategy: Freeze) -> set[str]:
    return set(trained_parameters(strategy.apply(tiny_model(TOKENS), seed=0)))


def encoder_parts(names: set[str]) -> set[str]:
    """Such as {"layers.1", "layer_norm"}."""
    inside = {name.removeprefix("model.encoder.") for name in names if ".encoder." in name}
    return {".".join(name.split(".")[: 2 if name.startswith("layers.") else 1]) for name in inside}


def test_the_bottom_and_the_stem_freeze_and_the_decoder_trains() -> None:
    names = trained(Freeze(encoder_layers=1))
    assert encoder_parts(names) == {"layers.1", "layer_norm"}
    everything = {name for name, _ in tiny_model(TOKENS).named_parameters()}
    assert {n for n in everything if ".decoder." in n} <= names


def test_the_stem_trains_when_asked() -> None:
    strategy = Freeze(encoder_layers=1, stem=False)
    assert encoder_parts(trained(strategy)) == {"layers.1", "layer_norm", "conv1", "conv2"}
    assert strategy.frozen_prefix(tiny_model(TOKENS)) == 0


def test_all_layers_frozen_leaves_the_decoder_alone() -> None:
    assert encoder_parts(trained(Freeze(encoder_layers=2))) == set()


def test_more_layers_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match="3 to freeze, but this Whisper has 2 encoder layers"):
        Freeze(encoder_layers=3).check(tiny_config(TOKENS))
