"""Test that captured steps are the eager ones, by a recorder that calls again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from op_counts import STRATEGIES, step_of
from recorders import Again
from torch import Tensor
from torch.nn.attention import SDPBackend

from mothertongue.model.graphs import EAGER_TIMES
from mothertongue.training import gpu_step
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


def test_cudnn_is_asked_inside_of_what_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 20 s on, and with graphs as without: a graph holds the kernels that were chosen."""
    asked = list[Any]()

    @contextmanager
    def kernels(order: Any, *, set_priority: bool) -> Iterator[None]:
        assert set_priority
        asked.append(order[0])
        yield

    monkeypatch.setattr(gpu_step, "sdpa_kernel", kernels)
    taken = []
    for settings, frames, recorder in (
        ({}, 100, None),
        ({"cudnn_attention": True}, 101, None),
        ({"cudnn_attention": True}, 100, None),
        ({"cudnn_attention": True}, 100, Again()),
    ):
        monkeypatch.setattr(gpu_step, "CUDNN_FRAMES", frames)  # the batch has 100
        stepper, batch = step_of({"kind": "full"}, **settings)
        stepper.one_gpu = stepper.gpu_step(recorder)
        taken.append([stepper.take(i, [batch], 1e-3) for i in range(4)])
        assert len(asked) == (4 if frames == 100 and settings else 0)
        assert set(asked) <= {SDPBackend.CUDNN_ATTENTION}
        asked.clear()
    assert taken[0] == taken[1] == taken[2] == taken[3]


@pytest.mark.filterwarnings("ignore:The .grad attribute")
def test_compiled_layers_are_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    recorder, taken = Again(), []
    for settings, given in (({}, None), ({"compile": True}, recorder)):
        torch._dynamo.reset()
        stepper, batch = step_of({"kind": "full"}, **settings)
        stepper.one_gpu = stepper.gpu_step(given)
        taken.append([stepper.take(i, [batch], 1e-3) for i in range(5)])
    assert recorder.captured == 2
    assert taken[0] == taken[1]


def test_checkpointing_goes_through_the_layers_that_do_it() -> None:
    stepper, _ = step_of({"kind": "full"}, gradient_checkpointing=True)
    assert stepper.gpu_step(recorder=None).lean is None


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
