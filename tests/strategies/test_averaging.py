"""Test the average of runs for every strategy, on a tiny random Whisper."""

from collections.abc import Mapping

import pytest
import torch
from runs import byte_tokens
from tiny import noise, tiny_model
from torch import Tensor

from mothertongue import strategies
from mothertongue.config import members
from mothertongue.errors import ConfigError
from mothertongue.model import adapters
from mothertongue.model.encoder import encode
from mothertongue.model.features import log_mel
from mothertongue.strategies.averaging import Trained
from mothertongue.strategies.base import Strategy, Whisper, load_trained, trained_parameters
from mothertongue.strategies.bottleneck import BottleneckAdapters
from mothertongue.strategies.full import Full
from mothertongue.strategies.lora import Lora
from mothertongue.strategies.reinit import Reinit

TOKENS = byte_tokens()
EXAMPLES = [kind(**example) for kind in members(Strategy, strategies) for example in kind.examples]
MERGEABLE = [each for each in EXAMPLES if each.can_merge]
SEED = 3

each_strategy = pytest.mark.parametrize("strategy", EXAMPLES, ids=repr)
each_mergeable = pytest.mark.parametrize("strategy", MERGEABLE, ids=repr)


def fresh() -> Whisper:
    return tiny_model(TOKENS, d_model=32)


def trained(strategy: Strategy, number: int) -> Trained:
    """Return hand-made weights of a run: the weights after `apply`, changed at random."""
    seed = number if strategy.is_adapter else SEED
    model = strategy.apply(fresh(), seed)
    start = {name: each.detach().clone() for name, each in trained_parameters(model).items()}
    generator = torch.Generator().manual_seed(number)
    moved = {
        name: each + 0.1 * torch.randn(each.shape, generator=generator)
        for name, each in start.items()
    }
    return Trained(moved, seed, start)


def model_of(strategy: Strategy, tensors: Mapping[str, Tensor], seed: int) -> Whisper:
    model = strategy.apply(fresh(), seed)
    load_trained(model, dict(tensors), "here")
    return model


def averaged(strategy: Strategy, runs: list[Trained], alpha: float) -> tuple[Strategy, Whisper]:
    holder, tensors = strategy.average(fresh(), runs, alpha)
    assert all(each.dtype == torch.float32 for each in tensors.values())
    return holder, model_of(holder, tensors, SEED)


def merged(strategy: Strategy, model: Whisper) -> dict[str, Tensor]:
    return {name: each.detach() for name, each in strategy.merge(model).named_parameters()}


def merged_run(strategy: Strategy, run: Trained) -> dict[str, Tensor]:
    return merged(strategy, model_of(strategy, run.tensors, run.seed))


def encoded(model: Whisper) -> Tensor:
    with torch.inference_mode():
        samples_BS = torch.from_numpy(noise(2.0))[None]
        return encode(model.model.encoder, log_mel(samples_BS, 80))


@each_mergeable
@pytest.mark.parametrize("alpha", [1.0, 0.7])
def test_merged_it_is_the_mean_of_the_merged_runs_interpolated(
    strategy: Strategy, alpha: float
) -> None:
    runs = [trained(strategy, number) for number in (1, 2, 4)]
    each = [merged_run(strategy, run) for run in runs]
    base = dict(fresh().named_parameters())
    found = merged(*averaged(strategy, runs, alpha))
    assert found.keys() == base.keys()
    moved = 0
    for name, value in base.items():
        mean = torch.stack([one[name].double() for one in each]).mean(0)
        expected = value.double() + alpha * (mean - value.double())
        torch.testing.assert_close(found[name].double(), expected, rtol=1e-5, atol=2e-5)
        moved += not torch.equal(found[name], value)
    assert moved


@each_strategy
def test_one_run_at_alpha_1_is_that_run_to_the_bit(strategy: Strategy) -> None:
    run = trained(strategy, 1)
    holder, tensors = strategy.average(fresh(), [run], 1.0)
    if strategy.moves_base:
        expected, found = merged_run(strategy, run), merged(*averaged(strategy, [run], 1.0))
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-5)
        return
    assert holder == strategy
    assert tensors.keys() == run.tensors.keys()
    assert all(torch.equal(tensors[name], value) for name, value in run.tensors.items())


@each_strategy
@pytest.mark.parametrize("numbers", [(1,), (1, 2)])
def test_alpha_0_is_the_base_to_the_bit(strategy: Strategy, numbers: tuple[int, ...]) -> None:
    holder, model = averaged(strategy, [trained(strategy, n) for n in numbers], 0.0)
    assert torch.equal(encoded(model), encoded(fresh()))
    if holder.can_merge:
        found, base = merged(holder, model), dict(fresh().named_parameters())
        assert all(torch.equal(found[name], value) for name, value in base.items())


def test_the_mean_of_two_runs_of_all_weights_is_exact() -> None:
    runs = [trained(Full(), 1), trained(Full(), 2)]
    _, tensors = Full().average(fresh(), runs, 1.0)
    for name, value in tensors.items():
        first, second = (run.tensors[name].double() for run in runs)
        assert torch.equal(value, ((first + second) / 2).float())


def test_negative_zeros_of_the_base_stay() -> None:
    base = fresh()
    base.proj_out.weight.data[0, 0] = -0.0
    _, tensors = Full().average(base, [trained(Full(), 1)], 0.0)
    assert torch.signbit(tensors["model.decoder.embed_tokens.weight"][0, 0])


@pytest.mark.parametrize("alpha", [1.0, 0.6])
def test_a_mean_bottleneck_adds_the_mean_of_what_the_adapters_add(alpha: float) -> None:
    strategy = BottleneckAdapters(dim=4)
    runs = [trained(strategy, number) for number in (1, 2, 4)]
    holder, model = averaged(strategy, runs, alpha)
    assert holder == BottleneckAdapters(dim=12)
    every = [model_of(strategy, run.tensors, SEED) for run in runs]
    x_BTD = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
    for mean, *those in zip(*map(adapters.adapted_layers, [model, *every]), strict=True):
        added = [(one.adapt(x_BTD) - x_BTD).detach() for one in those]
        expected = alpha * torch.stack(added).mean(0)
        torch.testing.assert_close(mean.adapt(x_BTD) - x_BTD, expected, rtol=1e-4, atol=1e-5)


def test_layers_that_were_drawn_from_other_seeds_have_no_mean() -> None:
    strategy = Reinit(encoder_layers=1)
    run = trained(strategy, 1)
    other = Trained(run.tensors, seed=5)
    with pytest.raises(ConfigError, match=r"drew new layers from the seeds 3, 5.*one seed"):
        strategy.average(fresh(), [run, other], 1.0)


@pytest.mark.parametrize(("variant", "count"), [("plain", 3), ("pissa", 2)])
def test_more_ranks_than_a_matrix_has_are_refused(variant: str, count: int) -> None:
    strategy = Lora.model_validate({"rank": 12, "variant": variant})
    runs = [trained(strategy, 1)] * count
    with pytest.raises(ConfigError, match=r"rank \d+, but a matrix .* at most rank 32; average"):
        strategy.average(fresh(), runs, 1.0)


def test_the_mean_of_pissa_runs_is_an_adapter_that_can_be_disabled() -> None:
    strategy = Lora(rank=2, variant="pissa")
    holder, model = averaged(strategy, [trained(strategy, 1), trained(strategy, 2)], 1.0)
    assert holder == Lora(rank=8, alpha=256)
    with holder.adapters_disabled(model):
        assert torch.equal(encoded(model), encoded(fresh()))
    assert not torch.equal(encoded(model), encoded(fresh()))
