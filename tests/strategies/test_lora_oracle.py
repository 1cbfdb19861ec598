"""LoRA equals PEFT used by hand, with the matrices chosen by PEFT's own matching of names."""

from typing import Any, get_args

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from runs import byte_tokens
from tiny import tiny_model
from torch import Tensor, nn

from mothertongue.strategies.base import Whisper
from mothertongue.strategies.lora import Lora, Preset, Variant

SEED, RANK, ALPHA = 5, 4, 12
TOLERANCE = 1e-6  # absolute
TOKENS = byte_tokens()

TARGETS: dict[Preset, str | list[str]] = {
    "paper": r".*\.self_attn\.[qv]_proj",
    "peft": ["q_proj", "v_proj"],
    "all-linear": "all-linear",
}
FLAGS: dict[Variant, dict[str, Any]] = {
    "plain": {},
    "dora": {"use_dora": True},
    "rslora": {"use_rslora": True},
    "pissa": {"init_lora_weights": "pissa"},
}
# PEFT 0.21 reads a property that transformers 5 has renamed; its wrapper alone does, not our path.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
each_preset = pytest.mark.parametrize("preset", TARGETS)
each_variant = pytest.mark.parametrize("variant", FLAGS)


def ours(preset: Preset, variant: Variant) -> tuple[Lora, Whisper]:
    strategy = Lora(rank=RANK, alpha=ALPHA, preset=preset, variant=variant)
    return strategy, strategy.apply(fresh(), SEED)


def theirs(preset: Preset, variant: Variant) -> PeftModel:
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS[preset], **FLAGS[variant])
    base = fresh()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return get_peft_model(base, config)


def fresh() -> Whisper:
    return tiny_model(TOKENS, d_model=32, max_source_positions=50, max_target_positions=16)


def outputs(model: nn.Module) -> Tensor:
    """The logits, BLV, of two clips of 1 s and five tokens."""
    generator = torch.Generator().manual_seed(1)
    mel_BMF = torch.randn(2, 80, 100, generator=generator)
    inputs_BL = torch.randint(0, 256, (2, 5), generator=generator)
    return model(input_features=mel_BMF, decoder_input_ids=inputs_BL).logits


def two_steps(model: nn.Module) -> None:
    trained = [each for each in model.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    for step in range(2):
        logits_BLV = outputs(model)
        targets_BL = torch.arange(10).view(2, 5) + 20 * step
        nn.functional.cross_entropy(logits_BLV.mT, targets_BL).backward()
        optimizer.step()
        optimizer.zero_grad()


def parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """By the name that the base's own parameters have."""
    return {n.removeprefix("base_model.model."): each for n, each in model.named_parameters()}


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=TOLERANCE)


def assert_same_parameters(ours: nn.Module, theirs: nn.Module) -> None:
    mine, other = parameters(ours), parameters(theirs)
    assert set(mine) == set(other)
    for name, value in mine.items():
        assert value.requires_grad == other[name].requires_grad, name
        assert_same(value, other[name])


def test_every_preset_and_variant_is_compared() -> None:
    assert set(TARGETS) == set(get_args(Preset))
    assert set(FLAGS) == set(get_args(Variant))


@each_preset
@each_variant
def test_weights_and_outputs_are_pefts_before_and_after_training(
    preset: Preset, variant: Variant
) -> None:
    (_, mine), other = ours(preset, variant), theirs(preset, variant)
    assert_same_parameters(mine, other)
    before = outputs(mine).detach()
    assert_same(before, outputs(other))
    two_steps(mine)
    two_steps(other)
    assert_same_parameters(mine, other)
    assert_same(outputs(mine), outputs(other))
    assert (outputs(mine) - before).abs().max() > 1e-2


@each_preset
@each_variant
def test_folded_it_is_what_peft_merges(preset: Preset, variant: Variant) -> None:
    (strategy, mine), other = ours(preset, variant), theirs(preset, variant)
    two_steps(mine)
    two_steps(other)
    unmerged = outputs(mine)
    folded, merged = strategy.merge(mine), other.merge_and_unload()
    assert set(folded.state_dict()) == set(fresh().state_dict())
    assert_same_parameters(folded, merged)
    assert_same(outputs(folded), outputs(merged))
    torch.testing.assert_close(outputs(folded), unmerged, rtol=1e-4, atol=1e-4)
