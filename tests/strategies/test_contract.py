"""What every strategy promises, asked of each of them on a tiny random Whisper."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from runs import byte_tokens, tiny_experiment
from safetensors.torch import load_file, save_file
from tiny import noise, tiny_model
from torch import Tensor

from mothertongue import strategies
from mothertongue.config import members
from mothertongue.decoding.kv_cache import KeyValueCache
from mothertongue.errors import ConfigError, DataError
from mothertongue.model.encoder import encode, stem
from mothertongue.model.features import log_mel
from mothertongue.strategies.base import (
    CannotMergeError,
    NotAdapterError,
    Strategy,
    Whisper,
    load_trained,
    trained_parameters,
)
from mothertongue.training.batch import Batch, collate
from mothertongue.training.loss import LabelLoss

Fresh = Callable[[], Whisper]

KINDS = members(Strategy, strategies)
EXAMPLES = [kind(**example) for kind in KINDS for example in kind.examples]
TOKENS = byte_tokens()
SEED = 3

each_strategy = pytest.mark.parametrize("strategy", EXAMPLES, ids=repr)


@pytest.fixture
def fresh() -> Fresh:
    return lambda: tiny_model(TOKENS, d_model=32)


def a_batch() -> Batch:
    labels = [TOKENS.label(text, "sw") for text in ("habari yako", "karibu")]
    return collate(["a", "b"], [noise(1.7, 0), noise(1.9, 1)], labels, 2, TOKENS.end)


def one_step(model: Whisper) -> None:
    optimizer = torch.optim.AdamW(trained_parameters(model).values(), lr=1e-2)
    LabelLoss(model)(*a_batch().tensors()).backward()
    optimizer.step()
    optimizer.zero_grad()


def stem_is_frozen(model: Whisper) -> bool:
    return not any(p.requires_grad for p in model.model.encoder.conv1.parameters())


def outputs(model: Whisper) -> Tensor:
    batch = a_batch()
    with torch.inference_mode():
        hidden_BTD = encode(model.model.encoder, log_mel(batch.samples_BS, 80))
        states_BLD = model.model.decoder(
            input_ids=batch.inputs_BL, encoder_hidden_states=hidden_BTD
        ).last_hidden_state
        return model.proj_out(states_BLD)


def test_there_is_an_example_of_every_kind() -> None:
    assert len(KINDS) >= 6 and all(kind.examples for kind in KINDS)


@each_strategy
def test_exactly_what_is_promised_moves(strategy: Strategy, fresh: Fresh) -> None:
    model = strategy.apply(fresh(), SEED)
    promised = set(trained_parameters(model))
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    one_step(model)  # of adapters and LoRA only what starts at zero moves at first
    one_step(model)
    moved = {n for n, value in model.named_parameters() if not torch.equal(value, before[n])}
    assert moved == promised


@each_strategy
def test_it_says_whether_it_moves_a_part_of_the_base(strategy: Strategy, fresh: Fresh) -> None:
    base = dict(fresh().named_parameters())
    frozen = {
        name.replace("base_layer.", ""): value
        for name, value in strategy.apply(fresh(), SEED).named_parameters()
        if not value.requires_grad
    }
    moved = [name for name, value in frozen.items() if not torch.equal(value, base[name])]
    assert bool(moved) == strategy.moves_base


@each_strategy
def test_the_frozen_prefix_gives_the_same_output_after_training(
    strategy: Strategy, fresh: Fresh
) -> None:
    model = strategy.apply(fresh(), SEED)
    depth = strategy.frozen_prefix(model)

    def prefix() -> Tensor:
        encoder = model.model.encoder
        with torch.inference_mode():
            hidden_BTD = stem(encoder, log_mel(a_batch().samples_BS, 80))
            for layer in encoder.layers[:depth]:
                hidden_BTD = layer(hidden_BTD, None)
        return hidden_BTD

    before = prefix()
    one_step(model)
    unchanged = torch.equal(prefix(), before)
    assert unchanged if depth else not unchanged or stem_is_frozen(model)


@each_strategy
def test_saved_and_loaded_into_a_fresh_base_it_gives_the_same_outputs(
    strategy: Strategy, fresh: Fresh, tmp_path: Path
) -> None:
    tuned = strategy.apply(fresh(), SEED)
    one_step(tuned)
    save_file({k: v.detach() for k, v in trained_parameters(tuned).items()}, tmp_path / "t")
    again = strategy.apply(fresh(), SEED)
    load_trained(again, load_file(tmp_path / "t"), "t")
    assert torch.equal(outputs(again), outputs(tuned))
    assert not torch.equal(outputs(tuned), outputs(fresh()))


@each_strategy
def test_merged_it_is_a_plain_whisper_with_equal_outputs(strategy: Strategy, fresh: Fresh) -> None:
    tuned = strategy.apply(fresh(), SEED)
    one_step(tuned)
    expected = outputs(tuned)
    if not strategy.can_merge:
        with pytest.raises(CannotMergeError, match="export the adapter itself, or ONNX"):
            strategy.merge(tuned)
        return
    folded = strategy.merge(tuned)
    assert set(folded.state_dict()) == set(fresh().state_dict())
    torch.testing.assert_close(outputs(folded), expected, rtol=1e-4, atol=1e-4)


@each_strategy
def test_switched_off_it_is_the_base_or_it_says_why_not(strategy: Strategy, fresh: Fresh) -> None:
    tuned = strategy.apply(fresh(), SEED)
    one_step(tuned)
    if not strategy.is_adapter:
        with pytest.raises(NotAdapterError, match="load the base"):
            strategy.adapters_disabled(tuned)
        return
    before = outputs(tuned)
    with strategy.adapters_disabled(tuned):
        with strategy.adapters_disabled(tuned):
            pass
        assert torch.equal(outputs(tuned), outputs(fresh()))
    assert torch.equal(outputs(tuned), before)
    assert not torch.equal(before, outputs(fresh()))


@each_strategy
def test_what_is_new_is_drawn_from_the_seed_alone(strategy: Strategy, fresh: Fresh) -> None:
    def drawn(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(99 * seed + torch.initial_seed() % 7)
        return {k: v.detach() for k, v in strategy.apply(fresh(), seed).named_parameters()}

    first, again, other = drawn(1), drawn(1), drawn(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    differs = any(not torch.equal(first[name], other[name]) for name in first)
    assert differs == strategy.draws_at_random


@each_strategy
def test_gradient_checkpointing_changes_no_gradient(strategy: Strategy, fresh: Fresh) -> None:
    def gradients(checkpointing: bool) -> dict[str, Tensor]:
        model = strategy.apply(fresh(), SEED).train()
        if checkpointing:
            model.activation_checkpointing_enable()
        LabelLoss(model)(*a_batch().tensors()).backward()
        return {name: value.grad for name, value in trained_parameters(model).items()}

    plain, recomputed = gradients(False), gradients(True)
    assert all(torch.allclose(plain[name], recomputed[name], atol=1e-6) for name in plain)


@each_strategy
def test_bfloat16_activations_train_it(strategy: Strategy, fresh: Fresh) -> None:
    model = strategy.apply(fresh(), SEED)
    with torch.autocast("cpu", torch.bfloat16):
        LabelLoss(model)(*a_batch().tensors()).backward()
    assert all(value.grad.isfinite().all() for value in trained_parameters(model).values())


@each_strategy
def test_with_a_cache_of_keys_and_values_it_writes_the_same(
    strategy: Strategy, fresh: Fresh
) -> None:
    tuned = strategy.apply(fresh(), SEED)
    one_step(tuned)
    batch = a_batch()
    with torch.inference_mode():
        hidden_BTD = encode(tuned.model.encoder, log_mel(batch.samples_BS, 80))
        count, frames, _ = hidden_BTD.shape
        cache, rows_B = KeyValueCache(tuned, count), torch.arange(count)
        cache.make_room(batch.inputs_BL.shape[1], frames)
        heard_B = torch.full_like(rows_B, frames)
        cache.admit(hidden_BTD, heard_B, batch.inputs_BL[:, :0], rows_B)
        steps = [
            cache.logits(
                torch.stack([token_B, rows_B, torch.full_like(rows_B, i), heard_B, 0 * rows_B]),
                i + 1,
                frames,
            )
            for i, token_B in enumerate(batch.inputs_BL.T)
        ]
    torch.testing.assert_close(torch.stack(steps, 1), outputs(tuned), rtol=1e-4, atol=1e-4)


@each_strategy
def test_an_experiment_with_it_reads_back_equal(strategy: Strategy, tmp_path: Path) -> None:
    setting = strategy.model_dump(mode="json")
    experiment = tiny_experiment(tmp_path, Path("base"), Path("data"), strategy=setting)
    assert experiment.strategy == strategy


def test_tensors_of_another_strategy_are_refused_by_name(fresh: Fresh) -> None:
    model = EXAMPLES[0].apply(fresh(), SEED)
    with pytest.raises(
        DataError, match=r"x: 1 tensors do not fit this base and strategy: \['odd'\]"
    ):
        load_trained(model, {**trained_parameters(model), "odd": torch.zeros(1)}, "x")


def test_an_unknown_strategy_is_refused_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'freeze', 'full'"):
        tiny_experiment(tmp_path, Path("base"), Path("data"), strategy={"kind": "lorra"})
