"""Test when shapes are captured, by a recorder that calls again instead of replaying."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from op_counts import STRATEGIES, step_of
from torch import Tensor

from mothertongue.training.batch import IGNORED, Batch
from mothertongue.training.graphs import EAGER_TIMES, Graphs
from mothertongue.training.step import Stepper


class Again:
    """A recorder whose replay calls the function in the places that it would have captured."""

    def __init__(self) -> None:
        self.captured = self.replayed = 0

    def record(self, function: Callable[[], None]) -> Callable[[], None]:
        self.captured += 1

        def replay() -> None:
            self.replayed += 1
            function()

        return replay


def summed(results: list[float], recorder: Again, most: int = 128) -> Graphs:
    return Graphs(
        lambda *inputs: results.append(float(sum(x.sum() for x in inputs))), recorder, most
    )


def test_a_shape_is_captured_when_it_comes_the_third_time() -> None:
    results, recorder = list[float](), Again()
    graphs = summed(results, recorder)
    for i in range(6):
        graphs(torch.full((2,), float(i)), torch.ones(3))
    assert results == [3, 5, 7, 9, 11, 13]
    assert (recorder.captured, recorder.replayed, len(graphs)) == (1, 6 - EAGER_TIMES, 1)


@pytest.mark.parametrize("other", [torch.ones(4), torch.ones(3, 1), torch.ones(3).double()])
def test_another_shape_or_type_is_another_graph(other: Tensor) -> None:
    recorder = Again()
    graphs = summed([], recorder)
    for _ in range(3):
        graphs(torch.ones(3))
        graphs(other)
    assert recorder.captured == len(graphs) == 2


def test_inputs_are_read_anew_in_each_replay() -> None:
    """Values left in the places of the graph count nothing, nor do later changes of inputs."""
    results, places = list[float](), list[Tensor]()

    def function(value: Tensor) -> None:
        places.append(value)
        results.append(float(value.sum()))

    graphs = Graphs(function, Again())
    mine = torch.ones(2)
    for i in range(5):
        mine.fill_(i)
        graphs(mine)
        if i > 1:
            assert places[-1] is not mine
            places[-1].fill_(float("nan"))
    assert results == [0, 2, 4, 6, 8]
    assert len({id(each) for each in places[2:]}) == 1


def test_the_least_recently_used_graph_goes_first() -> None:
    results, recorder = list[float](), Again()
    graphs = summed(results, recorder, most=2)
    shapes = [torch.ones(n) for n in (1, 2, 3)]
    for shape in (*shapes[:2] * 3, shapes[0], *[shapes[2]] * 3, shapes[0]):
        graphs(shape)
    assert (recorder.captured, len(graphs)) == (3, 2)
    for _ in range(2):
        graphs(shapes[1])  # its graph is gone: it has to come three times again
    assert recorder.captured == 3
    graphs(shapes[1])
    assert (recorder.captured, len(graphs)) == (4, 2)
    assert results[-1] == 2


def test_dropped_graphs_do_not_come_back() -> None:
    results, recorder = list[float](), Again()
    graphs = summed(results, recorder)
    for i in range(8):
        if i == 4:
            graphs.drop()
        graphs(torch.full((1,), float(i)))
    assert results == [float(i) for i in range(8)]
    assert (recorder.captured, recorder.replayed, len(graphs)) == (1, 2, 0)


def test_without_a_recorder_nothing_is_captured() -> None:
    results = list[float]()
    graphs = Graphs(lambda value: results.append(float(value)), None)
    for i in range(5):
        graphs(torch.tensor(float(i)))
    assert (results, len(graphs)) == ([0, 1, 2, 3, 4], 0)


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
