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
from mothertongue.encoder import encode, stem
from mothertongue.errors import ConfigError, DataError
from mothertongue.features import Batch, collate, log_mel
from mothertongue.strategies.base import Strategy, Whisper, load_trained, trained_parameters
from mothertongue.training.loss import LabelLoss

Fresh = Callable[[], Whisper]

KINDS = members(Strategy, strategies)
EXAMPLES = [kind(**example) for kind in KINDS for example in kind.examples]
TOKENS = byte_tokens()

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


def outputs(model: Whisper) -> Tensor:
    batch = a_batch()
    with torch.inference_mode():
        hidden_BTD = encode(model.model.encoder, log_mel(batch.samples_BS, 80))
        states_BLD = model.model.decoder(
            input_ids=batch.inputs_BL, encoder_hidden_states=hidden_BTD
        ).last_hidden_state
        return model.proj_out(states_BLD)


def test_there_is_an_example_of_every_kind() -> None:
    assert {kind.__name__ for kind in KINDS} >= {"Full", "Freeze"}
    assert all(kind.examples for kind in KINDS)


@each_strategy
def test_exactly_what_is_promised_moves(strategy: Strategy, fresh: Fresh) -> None:
    model = strategy.apply(fresh())
    promised = set(trained_parameters(model))
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    one_step(model)
    moved = {n for n, value in model.named_parameters() if not torch.equal(value, before[n])}
    assert moved == promised


@each_strategy
def test_the_frozen_prefix_gives_the_same_output_after_training(
    strategy: Strategy, fresh: Fresh
) -> None:
    model = strategy.apply(fresh())
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
    assert torch.equal(prefix(), before) == (depth > 0)


@each_strategy
def test_saved_and_loaded_into_a_fresh_base_it_gives_the_same_outputs(
    strategy: Strategy, fresh: Fresh, tmp_path: Path
) -> None:
    tuned = strategy.apply(fresh())
    one_step(tuned)
    save_file({k: v.detach() for k, v in trained_parameters(tuned).items()}, tmp_path / "t")
    again = strategy.apply(fresh())
    load_trained(again, load_file(tmp_path / "t"), "t")
    assert torch.equal(outputs(again), outputs(tuned))
    assert not torch.equal(outputs(tuned), outputs(fresh()))


@each_strategy
def test_folded_it_is_a_plain_whisper_with_equal_outputs(strategy: Strategy, fresh: Fresh) -> None:
    tuned = strategy.apply(fresh())
    one_step(tuned)
    expected = outputs(tuned)
    folded = strategy.fold(tuned)
    assert set(folded.state_dict()) == set(fresh().state_dict())
    torch.testing.assert_close(outputs(folded), expected)


@each_strategy
def test_an_experiment_with_it_reads_back_equal(strategy: Strategy, tmp_path: Path) -> None:
    setting = strategy.model_dump(mode="json")
    experiment = tiny_experiment(tmp_path, Path("base"), Path("data"), strategy=setting)
    assert experiment.strategy == strategy


def test_tensors_of_another_strategy_are_refused_by_name(fresh: Fresh) -> None:
    model = EXAMPLES[0].apply(fresh())
    with pytest.raises(
        DataError, match=r"x: 1 tensors do not fit this base and strategy: \['odd'\]"
    ):
        load_trained(model, {**trained_parameters(model), "odd": torch.zeros(1)}, "x")


def test_an_unknown_strategy_is_refused_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'freeze', 'full'"):
        tiny_experiment(tmp_path, Path("base"), Path("data"), strategy={"kind": "lorra"})
