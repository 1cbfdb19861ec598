"""A step as a GPU takes it: no wait but one, fixed shapes, and what a CPU computes."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from op_counts import STRATEGIES, step_of
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from waits import Waits

from mothertongue.errors import MothertongueError
from mothertongue.training import gpu_step
from mothertongue.training.batch import IGNORED, Batch
from mothertongue.training.step import Stepper

READ = gpu_step.read

each_strategy = pytest.mark.parametrize("settings", STRATEGIES.values(), ids=list(STRATEGIES))


@pytest.fixture
def gpu_path() -> Callable[[dict[str, Any]], tuple[Stepper, Batch]]:
    """Return a function that makes a step of a strategy, which goes as on a GPU."""

    def make(settings: dict[str, Any]) -> tuple[Stepper, Batch]:
        stepper, batch = step_of(settings)
        stepper.one_gpu = stepper.gpu_step(recorder=None)
        return stepper, batch

    return make


@each_strategy
def test_the_host_waits_once_a_step(
    settings: dict[str, Any], gpu_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepper, batch = gpu_path(settings)
    stepper.take(1, [batch], 1e-6)
    reads = list[int]()
    monkeypatch.setattr(gpu_step, "read", lambda values: reads.append(1) or READ(values))
    with Waits() as waits:
        stepper.take(2, [batch, batch], 1e-6)
    assert waits.found == []
    assert len(reads) == 1


def test_a_wait_is_seen() -> None:
    batch = Batch(("a",), None, torch.zeros(1, 4), torch.tensor([[1, 2, 3, IGNORED]]))
    values = torch.zeros(3)
    with Waits() as waits:
        assert batch.counted == 3
        assert batch.counted_rows(torch.device("cpu")) is not None
        values[values > 1] = 2
        float(values[0])
    assert len(waits.found) == 3


@each_strategy
def test_the_passes_depend_on_no_value(settings: dict[str, Any], gpu_path: Any) -> None:
    """Fake tensors have none: an operation that asks for one raises, and no graph could hold it."""
    stepper, batch = gpu_path(settings)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake = batch._with(mode.from_tensor)
        loss = stepper._backward_all([fake, fake], 32.0)
    assert loss.shape == ()


def test_a_value_that_is_asked_for_is_seen() -> None:
    with FakeTensorMode(), pytest.raises(Exception, match=r"aten\.nonzero"):
        torch.zeros(3).nonzero()


@each_strategy
def test_a_gpu_takes_the_step_of_a_cpu(settings: dict[str, Any]) -> None:
    """All rows and the optimizer's own clipping, or the counted rows and torch's."""
    if "dropout" in settings:
        settings = settings | {"dropout": 0.0}
    found = []
    for is_gpu in (False, True):
        stepper, batch = step_of(settings, precision="fp32")
        batch.targets_BL[0, 9:] = IGNORED  # the rest of the label
        batch = replace(batch, factors_B=torch.full((batch.rows,), 0.5))
        if is_gpu:
            stepper.one_gpu = stepper.gpu_step(recorder=None)
        taken = [stepper.take(number, [batch], 1e-3) for number in range(3)]
        found.append((taken, flat(stepper.parameters)))
    (cpu_taken, cpu_N), (gpu_taken, gpu_N) = found
    torch.testing.assert_close(torch.tensor(gpu_taken), torch.tensor(cpu_taken), rtol=1e-3, atol=0)
    moved = (cpu_N - flat(step_of(settings)[0].parameters)).norm()
    assert (gpu_N - cpu_N).norm() < 0.02 * moved


def flat(parameters: dict[str, Tensor]) -> Tensor:
    return torch.cat([value.detach().flatten() for value in parameters.values()])


def test_the_optimizer_leaves_out_a_step_that_is_not_finite(gpu_path: Any) -> None:
    stepper, batch = gpu_path({"kind": "full"})
    stepper.take(1, [batch], 1e-3)
    before, memory = deepcopy(stepper.parameters), deepcopy(stepper.raw_optimizer.state_dict())
    assert batch.samples_BS is not None
    poisoned = batch._with(torch.clone)
    poisoned.samples_BS[:] = float("nan")
    with pytest.raises(MothertongueError, match="loss nan"):
        stepper.take(2, [poisoned], 1e-3)
    assert all(torch.equal(value, before[name]) for name, value in stepper.parameters.items())
    after = stepper.raw_optimizer.state_dict()["state"]
    for index, values in memory["state"].items():
        assert all(torch.equal(value, after[index][name]) for name, value in values.items())


@each_strategy
def test_silent_rows_teach_nothing(settings: dict[str, Any], gpu_path: Any) -> None:
    if "dropout" in settings:
        settings = settings | {"dropout": 0.0}
    found = []
    for rows in (1, 4):
        stepper, batch = gpu_path(settings)
        filled = batch.filled(rows)
        assert (filled.rows, filled.counted, filled.ids) == (rows, batch.counted, batch.ids)
        assert torch.isfinite(stepper._backward_all([filled], float(batch.counted)))
        found.append({name: value.grad for name, value in stepper.parameters.items()})
    for name, value in found[0].items():
        scale = float(value.abs().max())
        torch.testing.assert_close(found[1][name], value, rtol=0, atol=0.02 * scale, msg=name)
