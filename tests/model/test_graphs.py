"""Test when shapes are captured, by a recorder that calls again instead of replaying."""

import pytest
import torch
from recorders import Again
from torch import Tensor

from mothertongue.model.graphs import EAGER_TIMES, Graphs


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


def test_another_number_is_another_graph() -> None:
    results, recorder = list[float](), Again()
    graphs = Graphs(lambda value, times: results.append(float(value) * times), recorder)
    for i in range(4):
        for times in (2, 3):
            graphs(torch.tensor(float(i)), times)
    assert results == [0, 0, 2, 3, 4, 6, 6, 9]
    assert recorder.captured == len(graphs) == 2
