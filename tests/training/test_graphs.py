"""Test that captured steps are the eager ones, by a recorder that calls again."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from op_counts import STRATEGIES, step_of
from recorders import Again
from torch import Tensor

from mothertongue.model.graphs import EAGER_TIMES
from mothertongue.training.batch import IGNORED, Batch
from mothertongue.training.step import Stepper


def batches(batch: Batch) -> list[list[Batch]]:
    """Six steps: of one micro-batch, of two, and of one that is not full."""
    short = batch._with(torch.clone)
    short.targets_BL[0, 5:] = IGNORED
    longer = batch._with(torch.clone)
    return [[batch], [short, longer], [short], [batch, short], [longer], [batch]]


@pytest.mark.parametrize("settings", STRATEGIES.values(), ids=list(STRATEGIES))
def test_replayed_steps_are_the_eager_ones(settings: dict[str, Any]) -> None:
    if "dropout" in settings:
        settings = settings | {"dropout": 0.0}
    recorder, found = Again(), []
    for given in (None, recorder):
        stepper, batch = step_of(settings)
        stepper.one_gpu = stepper.gpu_step(given)
        taken = [stepper.take(i, each, 1e-3 / (i + 1)) for i, each in enumerate(batches(batch))]
        found.append((taken, [value.detach().clone() for value in stepper.parameters.values()]))
    assert recorder.captured == 2  # the passes and the update
    assert recorder.replayed == (8 - EAGER_TIMES) + (6 - EAGER_TIMES)
    assert found[0][0] == found[1][0]
    assert all(map(torch.equal, found[0][1], found[1][1]))


def out_of_memory(stepper: Stepper, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    assert stepper.one_gpu is not None
    passes = stepper.one_gpu.lean.of_features

    def limited(features: Tensor, *labels: Tensor) -> Tensor:
        if len(features) > rows:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return passes(features, *labels)

    monkeypatch.setattr(stepper.one_gpu.lean, "of_features", limited)


def test_after_out_of_memory_there_are_no_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, taken = Again(), []
    for given in (None, recorder):
        stepper, batch = step_of({"kind": "full"})
        stepper.one_gpu = stepper.gpu_step(given)
        stepper.micro_batch_size, two = 2, batch.filled(2)
        two = replace(two, ids=("a", "b"))
        two.targets_BL[1] = batch.targets_BL[0]
        taken.append([stepper.take(i, [two], 1e-3) for i in range(4)])
        out_of_memory(stepper, monkeypatch, rows=1)
        taken[-1] += [stepper.take(i, [two], 1e-3) for i in range(4, 7)]
        assert stepper.micro_batch_size == 1
    assert stepper.one_gpu.graphs == 0
    assert recorder.captured == 2
    eager, replayed = map(torch.tensor, taken)
    torch.testing.assert_close(replayed, eager, rtol=1e-3, atol=0)
