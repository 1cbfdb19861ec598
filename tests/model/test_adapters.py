"""Several named adapters on one base: saved, loaded, turned on and off, stacked."""

import json
from pathlib import Path

import pytest
import torch
from runs import byte_tokens
from safetensors.torch import load_file, save_file
from tiny import noise, tiny_model
from torch import Tensor, nn

from mothertongue.errors import ConfigError, DataError
from mothertongue.model import adapters
from mothertongue.model.encoder import encode
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.strategies.base import Whisper
from mothertongue.system.files import write_json

TOKENS = byte_tokens()


def base() -> Whisper:
    return tiny_model(TOKENS, d_model=32)


def with_adapters(*names: str) -> Whisper:
    """A base with adapters of those names whose weights are far from zero."""
    model = base()
    for seed, name in enumerate(names):
        adapters.add(model, name, 4, [1], [0, 1])
        generator = torch.Generator().manual_seed(seed)
        for value in adapters.parameters(model, name).values():
            value.data.normal_(generator=generator)
    return model


def states(model: Whisper) -> Tensor:
    with torch.inference_mode():
        mel_BMF = log_mel(pad_samples([noise(1.0)], 1), 80)
        hidden_BTD = encode(model.model.encoder, mel_BMF)
        ids_BL = torch.tensor([TOKENS.prefix("sw")])
        return model.model.decoder(
            input_ids=ids_BL, encoder_hidden_states=hidden_BTD
        ).last_hidden_state


def test_an_adapter_computes_its_formula() -> None:
    adapter = adapters.Bottleneck(8, 3)
    nn.init.normal_(adapter.up.weight)
    x_BTD = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    centred = x_BTD - x_BTD.mean(-1, keepdim=True)
    normal = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    inner = normal @ adapter.down.weight.T + adapter.down.bias
    gelu = inner * 0.5 * (1 + torch.erf(inner / 2**0.5))
    torch.testing.assert_close(adapter(x_BTD), x_BTD + gelu @ adapter.up.weight.T)


def test_a_new_adapter_changes_nothing() -> None:
    model = base()
    adapters.add(model, "new", 4, [0, 1], [0, 1])
    assert torch.equal(states(model), states(base()))


def test_each_adapter_alone_gives_what_it_gives_on_a_base_of_its_own(tmp_path: Path) -> None:
    both = with_adapters("swahili", "yoruba")
    for name in ("swahili", "yoruba"):
        adapters.save(both, name, tmp_path / name)
        alone = base()
        adapters.load(alone, tmp_path / name, name)
        with adapters.only(both, [name]):
            assert torch.equal(states(both), states(alone))


def test_stacked_they_are_applied_in_the_order_given() -> None:
    model = with_adapters("first", "second")
    layer = model.model.encoder.layers[1]
    x_BTD = torch.randn(1, 3, 32, generator=torch.Generator().manual_seed(1))
    adapters.activate(model, ["second", "first"])
    inner = layer.base_layer(x_BTD, None)
    expected = layer.adapters["first"](layer.adapters["second"](inner))
    assert torch.equal(layer(x_BTD, None), expected)
    before = states(model)
    adapters.activate(model, ["first", "second"])
    assert not torch.equal(states(model), before)


def test_off_is_the_base_exactly_and_on_again_is_as_before() -> None:
    model = with_adapters("swahili")
    before = states(model)
    with adapters.only(model, []):
        assert torch.equal(states(model), states(base()))
    assert torch.equal(states(model), before)
    assert not torch.equal(before, states(base()))


def test_names_are_checked() -> None:
    model = with_adapters("swahili")
    with pytest.raises(ConfigError, match="no adapter yoruba; this model has: swahili"):
        adapters.activate(model, ["yoruba"])
    for name in ("swahili", "a.b"):
        with pytest.raises(ConfigError, match="choose another name"):
            adapters.add(model, name, 4, [0], [])


@pytest.mark.parametrize(
    "change",
    [
        {"dim": "4"},
        {"dim": 5},
        {"dim": 10**12},
        {"width": None},
        {"encoder_layers": None},
        {"encoder_layers": ["1"]},
        {"encoder_layers": [-1]},
        {"decoder_layers": 3},
    ],
)
def test_an_adapter_of_other_sizes_leaves_the_base_as_it_was(tmp_path: Path, change: dict) -> None:
    adapters.save(with_adapters("swahili"), "swahili", tmp_path)
    config = json.loads((tmp_path / adapters.CONFIG).read_text())
    write_json(tmp_path / adapters.CONFIG, config | change)
    model = base()
    with pytest.raises(DataError, match=f"^{tmp_path}"):
        adapters.load(model, tmp_path)
    assert adapters.names(model) == set()
    del config[next(iter(change))]
    write_json(tmp_path / adapters.CONFIG, config)
    with pytest.raises(DataError, match=f"^{tmp_path}"):
        adapters.load(model, tmp_path)


def test_a_tensor_that_would_be_broadcast_is_refused(tmp_path: Path) -> None:
    adapters.save(with_adapters("swahili"), "swahili", tmp_path)
    tensors = load_file(tmp_path / adapters.TENSORS)
    tensors["encoder.layers.1.norm.weight"] = torch.ones(1)
    save_file(tensors, tmp_path / adapters.TENSORS)
    with pytest.raises(DataError, match=r"another shape: \['encoder.layers.1.norm.weight'\]"):
        adapters.load(base(), tmp_path)


def test_what_is_no_bottleneck_adapter_is_refused(tmp_path: Path) -> None:
    adapters.save(with_adapters("swahili"), "swahili", tmp_path)
    wider = tiny_model(TOKENS, d_model=64)
    with pytest.raises(DataError, match="made for width 32, this Whisper has 64"):
        adapters.load(wider, tmp_path)
    (tmp_path / adapters.TENSORS).write_bytes(b"no")
    with pytest.raises(DataError, match="not a readable adapter"):
        adapters.load(base(), tmp_path)
    adapters.save(with_adapters("swahili"), "swahili", tmp_path)
    write_json(tmp_path / adapters.CONFIG, {"peft_type": "LORA"})
    with pytest.raises(DataError, match="expected peft_type BOTTLENECK"):
        adapters.load(base(), tmp_path)
