"""Clips of many adapters in one batch are what each adapter alone makes of them."""

import copy
from typing import Any

import pytest
import torch
from peft import IA3Config, LoraConfig, inject_adapter_in_model
from talker import eight_clips, talkative
from torch import nn
from transformers import WhisperForConditionalGeneration

from mothertongue import config, strategies
from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import Clip, DecodeConfig, Transcript
from mothertongue.errors import ConfigError
from mothertongue.model.adapters import AdapterAssignment
from mothertongue.model.tokenizer import Tokens
from mothertongue.serving.multi_adapter import add
from mothertongue.strategies.base import Strategy, trained_parameters

AnyStrategy = config.choice(Strategy, strategies)
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"kind": "lora", "rank": 2},
    "everywhere": {"kind": "lora", "rank": 3, "preset": "all-linear"},
    "dora": {"kind": "lora", "rank": 2, "variant": "dora", "preset": "peft"},
    "rslora": {"kind": "lora", "rank": 2, "variant": "rslora", "decoder": False},
    "bottle": {"kind": "bottleneck", "dim": 4},
    "top": {"kind": "bottleneck", "dim": 6, "encoder_top": 1},
}
PISSA = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights="pissa")


@pytest.fixture(scope="module")
def talker(tokens: Tokens) -> WhisperForConditionalGeneration:
    return talkative(tokens)


@pytest.fixture(scope="module")
def tuned(talker: WhisperForConditionalGeneration) -> dict[str, WhisperForConditionalGeneration]:
    """The talker with an adapter of each kind, all of its weights moved by chance."""
    found = {}
    for seed, (name, settings) in enumerate(KINDS.items()):
        strategy = config.parse(Holder, {"strategy": settings}, name).strategy
        model = strategy.apply(copy.deepcopy(talker), seed)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for value in trained_parameters(model).values():
                value += 0.15 * torch.randn(value.shape, generator=generator)
        found[name] = model.requires_grad_(False)
    return found


class Holder(config.Config):
    """One strategy, as an experiment has it."""

    strategy: AnyStrategy  # type: ignore[valid-type]


def mix(base: WhisperForConditionalGeneration, tuned: dict[str, Any]) -> AdapterAssignment:
    """All of them on the base."""
    rows = AdapterAssignment()
    for name, model in tuned.items():
        add(base, name, model, rows)
    return rows


def decode(
    model: WhisperForConditionalGeneration,
    tokens: Tokens,
    clips: list[Clip],
    rows: AdapterAssignment | None = None,
    beam_size: int = 1,
) -> list[Transcript]:
    settings = DecodeConfig(batch_size=5, beam_size=beam_size)
    engine = TorchTranscriber(model, tokens, context="full", config=settings, rows=rows)
    return engine.decode(clips)


@pytest.mark.parametrize("beam_size", [1, 2])
def test_a_mixed_batch_is_each_adapter_alone(talker, tuned, tokens: Tokens, beam_size: int) -> None:
    base = copy.deepcopy(talker)
    rows = mix(base, tuned)
    names = [None, *tuned]
    clips = [
        Clip(samples_N, "sw", "bucket", adapter=names[(i + shift) % len(names)], word_times=True)
        for shift in (0, 3)
        for i, samples_N in enumerate(eight_clips()[:5])
    ]
    mixed = decode(base, tokens, clips, rows, beam_size)
    said = set()
    for name in names:
        mine = [i for i, clip in enumerate(clips) if clip.adapter == name]
        alone = decode(
            talker if name is None else tuned[name],
            tokens,
            [clips[i] for i in mine],
            None,
            beam_size,
        )
        assert [mixed[i].tokens for i in mine] == [each.tokens for each in alone]
        for i, each in zip(mine, alone, strict=True):
            assert mixed[i].average_log_probability == pytest.approx(
                each.average_log_probability, abs=1e-4
            )
            assert [word.text for word in mixed[i].words] == [word.text for word in each.words]
        said |= {(clips[i].samples_N.tobytes(), mixed[i].tokens) for i in mine}
    assert len(said) > 7  # or the adapters made no difference


def test_the_base_is_not_copied_for_an_adapter(talker, tuned, tokens: Tokens) -> None:
    base = copy.deepcopy(talker)
    before = {name: value.data_ptr() for name, value in base.named_parameters()}
    count = sum(each.numel() for each in base.parameters())
    mix(base, tuned)
    there = {value.data_ptr() for value in base.parameters()}
    assert set(before.values()) <= there
    tensors = [*base.parameters(), *base.buffers()]
    assert sum(each.numel() for each in tensors) < 1.2 * count


def test_a_name_must_be_a_word(talker, tuned) -> None:
    with pytest.raises(ConfigError, match="expected a word"):
        mix(copy.deepcopy(talker), {"a.b": tuned["plain"]})


class Scaled(nn.Module):
    """A matrix whose output is scaled: an adapter of a kind that the server does not know."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.scale = inner, nn.Parameter(torch.tensor(3.0))

    def forward(self, x_NLD: torch.Tensor) -> torch.Tensor:
        return self.scale * self.inner(x_NLD)


def scaled(model: WhisperForConditionalGeneration) -> WhisperForConditionalGeneration:
    """The model with such an adapter in one place."""
    layer = model.model.encoder.layers[0]
    layer.fc1 = Scaled(layer.fc1)
    return model


def test_an_adapter_of_another_kind_is_refused(talker) -> None:
    with pytest.raises(ConfigError, match=r"cannot share a base.*model\.encoder\.layers\.0\.fc1"):
        mix(copy.deepcopy(talker), {"x": scaled(copy.deepcopy(talker))})


def test_what_is_beside_lora_is_refused_too(talker, tuned) -> None:
    base = copy.deepcopy(talker)
    with pytest.raises(ConfigError, match=r"layers\.0\.fc1\.scale"):
        mix(base, {"x": scaled(copy.deepcopy(tuned["plain"]))})
    assert set(base.state_dict()) == set(talker.state_dict())  # nothing of it was added


def test_a_model_without_an_adapter_is_refused(talker) -> None:
    with pytest.raises(ConfigError, match="no adapter"):
        mix(copy.deepcopy(talker), {"x": talker})


def test_pefts_other_kinds_are_refused(talker) -> None:
    for settings in (IA3Config(target_modules=["fc1"], feedforward_modules=["fc1"]), PISSA):
        model = copy.deepcopy(talker)
        inject_adapter_in_model(settings, model)
        with pytest.raises(ConfigError, match="cannot share a base"):
            mix(copy.deepcopy(talker), {"x": model})


def test_rows_stand_in_runs() -> None:
    rows = AdapterAssignment()
    rows.put([None, None, "a", "a", "a", "b"])
    assert rows.runs(6) == [("a", slice(2, 5)), ("b", slice(5, 6))]
    assert rows.runs(12) == [("a", slice(4, 10)), ("b", slice(10, 12))]
    rows.keep([1, 3, 5])
    assert rows.runs(3) == [("a", slice(1, 2)), ("b", slice(2, 3))]
