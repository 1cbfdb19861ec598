"""The lean passes: the loss and the gradients of transformers' layers, in half the operations."""

from dataclasses import replace
from functools import partial
from typing import Any

import op_counts
import pytest
import torch
from op_counts import STRATEGIES, step_of
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend

from mothertongue.training import shadow_weights
from mothertongue.training.batch import IGNORED, Batch
from mothertongue.training.lean import LeanPasses, lean_obstacle
from mothertongue.training.loss import LabelLoss
from mothertongue.training.shadow_weights import ShadowWeights
from mothertongue.training.step import Stepper

MORE = {
    "lora of every matrix": {"kind": "lora", "preset": "all-linear", "rank": 4, "alpha": 8},
    "lora, rslora": {"kind": "lora", "rank": 4, "alpha": 8, "variant": "rslora"},
    "lora, pissa": {"kind": "lora", "rank": 4, "alpha": 8, "variant": "pissa"},
    "freeze all": {"kind": "freeze", "encoder_layers": 2},
}
CASES = STRATEGIES | MORE | {"lora": STRATEGIES["lora"] | {"dropout": 0.0}}
NEAR = {torch.float32: (1e-5, 1e-4), torch.bfloat16: (2e-3, 0.03)}
"""Relative differences of the loss and of each gradient's norm that rounding explains."""


def learned(
    stepper: Stepper, batch: Batch, passes: Any, dtype: torch.dtype
) -> tuple[float, dict[str, Tensor]]:
    """Return the loss and the gradients of what trains."""
    if stepper.frozen:
        batch = stepper.frozen.states(batch)
    heard, inputs_BL, targets_BL = batch.tensors()
    loss: LabelLoss = stepper._accelerator.unwrap_model(stepper._loss)
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        total = passes.of_features(loss.features(heard), inputs_BL, targets_BL)
    total.backward()
    if isinstance(passes, LeanPasses):
        passes.weights.hand_over_gradients()
    found = {name: value.grad for name, value in stepper.parameters.items()}
    for value in stepper.parameters.values():
        value.grad = None
    return float(total.detach()), found


@pytest.mark.parametrize("dtype", NEAR, ids=str)
@pytest.mark.parametrize("settings", CASES.values(), ids=list(CASES))
def test_loss_and_gradients_are_those_of_the_layers(
    settings: dict[str, Any], dtype: torch.dtype
) -> None:
    stepper, batch = step_of(settings, precision="bf16" if dtype == torch.bfloat16 else "fp32")
    batch.targets_BL[0, 11:] = IGNORED
    stir(stepper.parameters)
    loss: LabelLoss = stepper._accelerator.unwrap_model(stepper._loss)
    expected, theirs = learned(stepper, batch, loss, dtype)
    lean = LeanPasses(loss, dtype)
    value, ours = learned(stepper, batch, lean, dtype)
    near_loss, near_gradient = NEAR[dtype]
    assert value == pytest.approx(expected, rel=near_loss)
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        assert ours[name].dtype == torch.float32
        assert (ours[name] - gradient).norm() <= near_gradient * gradient.norm() + 1e-6, name


def stir(parameters: dict[str, Tensor]) -> None:
    """Change what trains so that nothing is zero: LoRA's B and the adapters' up begin at zero."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in parameters.values():
            value += 0.02 * torch.randn(value.shape, generator=generator)


def test_weights_that_changed_are_seen_after_a_refresh() -> None:
    stepper, batch = step_of({"kind": "full"})
    loss: LabelLoss = stepper._accelerator.unwrap_model(stepper._loss)
    lean = LeanPasses(loss, torch.bfloat16)
    before, _ = learned(stepper, batch, lean, torch.bfloat16)
    stir(stepper.parameters)
    lean.weights.refresh()
    after, _ = learned(stepper, batch, lean, torch.bfloat16)
    expected, _ = learned(stepper, batch, loss, torch.bfloat16)
    assert after == pytest.approx(expected, rel=2e-3)
    assert after != pytest.approx(before, rel=2e-3)


def test_half_the_kernels() -> None:
    stepper, batch = step_of({"kind": "full"})
    loss: LabelLoss = stepper._accelerator.unwrap_model(stepper._loss)
    counted = []
    for passes in (loss, LeanPasses(loss, torch.bfloat16)):
        phases = op_counts.Phases()
        with phases:
            learned(stepper, batch, passes, torch.bfloat16)
        counted.append(op_counts.kernels(phases.found["inputs"]))
    assert counted[1] < 0.6 * counted[0]


def test_frozen_weights_are_in_memory_once() -> None:
    stepper, _ = step_of({"kind": "bottleneck", "dim": 4})
    loss: LabelLoss = stepper._accelerator.unwrap_model(stepper._loss)
    before = {name: value.clone() for name, value in stepper.model.named_parameters()}
    LeanPasses(loss, torch.bfloat16)
    attention = stepper.model.model.encoder.layers[0].base_layer.self_attn
    storages = {
        part.weight.untyped_storage().data_ptr()
        for part in (attention.q_proj, attention.k_proj, attention.v_proj)
    }
    assert len(storages) == 1
    for name, value in stepper.model.named_parameters():
        assert torch.equal(value, before[name]), name


def test_gradients_of_several_passes_add_up() -> None:
    weights = ShadowWeights(torch.float32)
    first, second = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(1, 3))
    joined = weights.joined(first, 2, second)
    assert joined.tolist() == [[1.0] * 3] * 2 + [[0.0] * 3] * 2 + [[1.0] * 3]
    for factor in (1.0, 10.0):
        (joined * torch.arange(5.0)[:, None] * factor).sum().backward()
        weights.hand_over_gradients()
    assert first.grad is not None and second.grad is not None
    assert first.grad.tolist() == [[0.0] * 3, [11.0] * 3]
    assert second.grad.tolist() == [[44.0] * 3]
    assert joined.grad is None


@pytest.mark.parametrize("together", [1, 2, 32])
def test_gradients_in_bfloat16_add_up_as_float32(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, however many are added at a time."""
    monkeypatch.setattr(shadow_weights, "TOGETHER", together)
    torch.manual_seed(0)
    weights = ShadowWeights(torch.bfloat16)
    masters = [nn.Parameter(torch.randn(2, 3)) for _ in range(3)]
    copies = [weights.joined(each) for each in masters]
    expected = [torch.zeros(2, 3) for _ in masters]
    for _ in range(4):
        for copy, total in zip(copies, expected, strict=True):
            copy.grad = torch.randn(2, 3).bfloat16()
            total += copy.grad
        weights.hand_over_gradients()
    for master, total in zip(masters, expected, strict=True):
        assert master.grad is not None
        assert torch.equal(master.grad, total)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute")
def test_compiled_layers_are_the_layers_in_four_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the number of layers and the length: one each for inputs with and without gradient.

    A half whose first input has a gradient has one: two graphs for `full`.
    """
    graphs = CompileCounterWithBackend("eager")
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=graphs))
    torch._dynamo.reset()
    stepper, batch = step_of(CASES["lora"], layers=4)
    stir(stepper.parameters)
    assert batch.samples_BS is not None
    batches = [replace(batch, samples_BS=batch.samples_BS.repeat(1, times)) for times in (1, 2)]
    loss: LabelLoss = stepper._accelerator.unwrap_model(stepper._loss)
    plain = LeanPasses(loss, torch.bfloat16)
    expected = [learned(stepper, each, plain, torch.bfloat16) for each in batches]
    compiled = LeanPasses(loss, torch.bfloat16, is_compiled=True)
    for each, (value, gradients) in zip(batches, expected, strict=True):
        again, found = learned(stepper, each, compiled, torch.bfloat16)
        assert again == value
        assert all(torch.equal(found[name], gradients[name]) for name in gradients)
    assert graphs.frame_count == 4


def test_a_tensor_without_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="no weight"):
        ShadowWeights(torch.float32).joined(3)


@pytest.mark.parametrize(
    ("settings", "change", "obstacle"),
    [
        ({"kind": "full"}, {"dropout": 0.1}, "dropout"),
        ({"kind": "full"}, {"activation_function": "relu"}, "activation relu"),
        ({"kind": "full"}, {"_attn_implementation": "eager"}, "attention eager"),
        ({"kind": "lora", "rank": 4, "variant": "dora"}, {}, "variant of LoRA"),
    ],
)
def test_what_is_not_computed_goes_through_the_layers(
    settings: dict[str, Any], change: dict[str, Any], obstacle: str
) -> None:
    stepper, batch = step_of(settings)
    for name, value in change.items():
        setattr(stepper.model.config, name, value)
    assert obstacle in (lean_obstacle(stepper.model) or "")
    loss: LabelLoss = stepper._accelerator.unwrap_model(stepper._loss)
    with pytest.raises(ValueError, match=obstacle):
        LeanPasses(loss, torch.bfloat16)
    stepper.one_gpu = stepper.gpu_step(recorder=None)
    assert stepper.one_gpu.lean is None
    assert stepper.take(0, [batch], 1e-4)[0] > 0
