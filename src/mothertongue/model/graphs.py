"""Replay on a GPU what Python started before: one CUDA graph for each shape of a batch.

Python needs longer to start the 7,000 kernels of a large model's step than a fast GPU needs to
compute them. A graph is started at once. It holds one shape, reads its inputs from one place, and
may ask for no value in between.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

Function = Callable[..., None]
Key = tuple[object, ...]

MOST_GRAPHS = 128
EAGER_TIMES = 2
"""A shape is captured when it comes the third time: most shapes of a small corpus never do."""


class Recorder(Protocol):
    """Captures a function that takes no arguments, without calling it."""

    def record(self, function: Callable[[], None]) -> Callable[[], None]:
        """Return a function that does what `function` does, in the memory that it saw."""
        ...


@dataclass(frozen=True, slots=True)
class _Graph:
    replay: Callable[[], None]
    inputs: tuple[Tensor | int, ...]
    """The places from which the graph reads its tensors."""


class Graphs:
    """A function of tensors that returns nothing, and a graph of it for each shape that repeats.

    The function must leave its results in tensors that stay where they are. Another number among
    its arguments is another graph, as another shape is.
    """

    def __init__(
        self, function: Function, recorder: Recorder | None, most: int = MOST_GRAPHS
    ) -> None:
        """Without a recorder the function is always called."""
        self.function, self.recorder, self.most = function, recorder, most
        self._graphs, self._seen = OrderedDict[Key, _Graph](), Counter[Key]()

    def __call__(self, *inputs: Tensor | int) -> None:
        """Call the function, or replay its graph: the least recently used graph goes first."""
        if self.recorder is None:
            return self.function(*inputs)
        key = tuple(_form(each) for each in inputs)
        self._seen[key] += 1
        if self._seen[key] <= EAGER_TIMES:
            return self.function(*inputs)
        graph = self._graphs.pop(key, None) or self._captured(self.recorder, inputs)
        self._graphs[key] = graph
        if len(self._graphs) > self.most:
            oldest, _ = self._graphs.popitem(last=False)
            del self._seen[oldest]
        for place, value in zip(graph.inputs, inputs, strict=True):
            if isinstance(place, Tensor) and isinstance(value, Tensor):
                place.copy_(value, non_blocking=True)
        graph.replay()

    def __len__(self) -> int:
        return len(self._graphs)

    def drop(self) -> None:
        """Free all graphs and make no more."""
        self.recorder = None
        self._graphs.clear()

    def _captured(self, recorder: Recorder, inputs: tuple[Tensor | int, ...]) -> _Graph:
        places = tuple(each.clone() if isinstance(each, Tensor) else each for each in inputs)
        return _Graph(recorder.record(partial(self.function, *places)), places)


def _form(value: Tensor | int) -> object:
    return (tuple(value.shape), value.dtype) if isinstance(value, Tensor) else value


class CudaRecorder:
    """Captures CUDA graphs that share one pool of memory: never two of them run at once."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.stream = device, torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def on_stream(self) -> Iterator[None]:
        """A context whose kernels run in the stream of the captures, after those before it.

        Autograd remembers the stream in which a parameter first got a gradient, and a capture must
        not wait for another.
        """
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self.stream):
            yield
        torch.cuda.current_stream(self.device).wait_stream(self.stream)

    def record(self, function: Callable[[], None]) -> Callable[[], None]:
        """Return the replay of a CUDA graph of `function`, which must not wait for the device."""
        graph = torch.cuda.CUDAGraph()
        # "thread_local": the thread that pins batches may allocate memory meanwhile.
        with torch.cuda.graph(
            graph, pool=self._pool, stream=self.stream, capture_error_mode="thread_local"
        ):
            function()
        return graph.replay
