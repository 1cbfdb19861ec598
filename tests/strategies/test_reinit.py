"""What starting anew draws, and what it leaves alone."""

import math

import pytest
import torch
from runs import byte_tokens
from tiny import tiny_config, tiny_model

from mothertongue.errors import ConfigError
from mothertongue.strategies.base import trained_parameters
from mothertongue.strategies.freeze import Freeze
from mothertongue.strategies.reinit import Reinit

TOKENS = byte_tokens()


def test_the_top_layer_is_xavier_normal_with_plain_norms() -> None:
    model = Reinit(encoder_layers=1).apply(tiny_model(TOKENS, d_model=128), seed=0)
    layer = model.model.encoder.layers[1]
    for linear in (layer.self_attn.q_proj, layer.self_attn.out_proj, layer.fc1, layer.fc2):
        rows, columns = linear.weight.shape
        expected = math.sqrt(2 / (rows + columns))
        assert linear.weight.std().item() == pytest.approx(expected, rel=0.03)
        assert not linear.bias.any()
    # Normal, not uniform: a uniform draw of that deviation ends at 1.73 deviations.
    assert layer.fc1.weight.abs().max() > 3 * layer.fc1.weight.std()
    for norm in (layer.self_attn_layer_norm, layer.final_layer_norm):
        assert (norm.weight == 1).all()
        assert (norm.bias == 0).all()


def test_everything_else_keeps_what_it_learned() -> None:
    base, model = tiny_model(TOKENS), tiny_model(TOKENS)
    Reinit(encoder_layers=1).apply(model, seed=0)
    changed = {
        name
        for (name, ours), theirs in zip(model.named_parameters(), base.parameters(), strict=True)
        if not torch.equal(ours, theirs)
    }
    assert changed
    assert all(name.startswith("model.encoder.layers.1.") for name in changed)


@pytest.mark.parametrize("stem", [True, False])
def test_it_trains_what_its_fair_control_trains(stem: bool) -> None:
    ours = Reinit(encoder_layers=1, stem=stem).apply(tiny_model(TOKENS), seed=0)
    control = Freeze(encoder_layers=1, stem=stem).apply(tiny_model(TOKENS), seed=0)
    assert set(trained_parameters(ours)) == set(trained_parameters(control))


def test_more_layers_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match="3 to re-initialize, but this Whisper has 2"):
        Reinit(encoder_layers=3).check(tiny_config(TOKENS))
