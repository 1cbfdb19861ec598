"""Bottleneck adapters equal AdapterHub's `adapters`: what that library computed, replayed.

`make oracles` (tools/make_adapterhub_vectors.py, in a venv of its own) computes it again.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor
from transformers import WhisperConfig, WhisperForConditionalGeneration

from mothertongue.model import adapters
from mothertongue.model.encoder import encode
from mothertongue.strategies.base import Whisper, trained_parameters
from mothertongue.strategies.bottleneck import BottleneckAdapters

FILE = Path(__file__).with_name("adapterhub_vectors.safetensors")
VECTORS = load_file(FILE)
TOLERANCE = 1e-5  # absolute

STRATEGIES = {
    "all": BottleneckAdapters(dim=8),
    "top1": BottleneckAdapters(dim=8, encoder_top=1),
}
each_placement = pytest.mark.parametrize("case", STRATEGIES)


def part(prefix: str) -> dict[str, Tensor]:
    """The vectors whose names begin so, without that beginning."""
    return {k.removeprefix(prefix): v for k, v in VECTORS.items() if k.startswith(prefix)}


def plain() -> Whisper:
    """The Whisper that AdapterHub's adapters were put into."""
    with safe_open(FILE, "pt") as file:
        shape = json.loads(file.metadata()["made_with"])["whisper"]
    model = WhisperForConditionalGeneration(WhisperConfig(**shape)).eval()
    missing, unknown = model.load_state_dict(part("base."), strict=False)
    assert (missing, unknown) == (["proj_out.weight"], [])  # tied to the embeddings
    return model


def adapted(case: str) -> Whisper:
    """Our adapters, with AdapterHub's weights."""
    model = STRATEGIES[case].apply(plain(), seed=0)
    ours, theirs = adapters.parameters(model, adapters.DEFAULT), part(f"{case}.weight.")
    assert set(ours) == set(theirs)
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(theirs[name])
    return model


def run(model: Whisper) -> dict[str, Tensor]:
    """Hidden states and loss, by transformers' own forward, under the vectors' names."""
    found = model(
        input_features=VECTORS["mel_BMF"],
        decoder_input_ids=VECTORS["inputs_BL"],
        labels=VECTORS["labels_BL"],
        output_hidden_states=True,
    )
    return {
        "encoder_BTD": found.encoder_last_hidden_state,
        "decoder_BLD": found.decoder_hidden_states[-1],
        "loss": found.loss,
    }


def assert_equal(ours: Tensor, theirs: Tensor, name: str) -> None:
    torch.testing.assert_close(
        ours, theirs, rtol=0, atol=TOLERANCE, msg=lambda text: f"{name}: {text}"
    )


@each_placement
def test_outputs_and_loss_are_adapterhubs(case: str) -> None:
    for name, value in run(adapted(case)).items():
        assert_equal(value.detach(), VECTORS[f"{case}.{name}"], name)


@each_placement
def test_at_any_context_the_encoder_goes_through_its_adapters(case: str) -> None:
    with torch.inference_mode():
        hidden_BTD = encode(adapted(case).model.encoder, VECTORS["mel_BMF"])
    assert_equal(hidden_BTD, VECTORS[f"{case}.encoder_BTD"], "encoder_BTD")


@each_placement
def test_every_gradient_is_adapterhubs_and_nothing_else_has_one(case: str) -> None:
    model = adapted(case)
    run(model)["loss"].backward()
    ours, theirs = adapters.parameters(model, adapters.DEFAULT), part(f"{case}.gradient.")
    assert set(ours) == set(theirs)
    for name, parameter in ours.items():
        assert_equal(parameter.grad, theirs[name], name)
        assert theirs[name].abs().max() > 1000 * TOLERANCE  # so being equal says something
    with_gradient = {id(each) for each in model.parameters() if each.grad is not None}
    assert with_gradient == {id(each) for each in ours.values()}
    assert len(trained_parameters(model)) == len(ours)


@each_placement
def test_switched_off_the_outputs_are_exactly_the_bases(case: str) -> None:
    model = adapted(case)
    with torch.inference_mode():
        expected, on = run(plain()), run(model)
        with STRATEGIES[case].adapters_disabled(model):
            off = run(model)
        again = run(model)
    for name, value in expected.items():
        assert torch.equal(off[name], value)
        assert not torch.equal(on[name], value)
        assert torch.equal(again[name], on[name])
