"""Keep a pool of workers: one for each file that is decoded at the same time."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import RLock

from mothertongue.data.audio.decoders import Span
from mothertongue.data.audio.headers import regular_size
from mothertongue.data.sandbox.bounds import Bounds
from mothertongue.data.sandbox.channel import Answer
from mothertongue.data.sandbox.process import Worker, corrupt


class Sandbox:
    """Workers for one task, a module such as `sandbox.samples`. Threads may share it.

    Workers are started where they are needed, and end with the `with` block. One that died of its
    file is replaced for the next file; the file is not tried again.
    """

    def __init__(self, task: str, bounds: Bounds | None = None) -> None:
        self.task, self.bounds = task, bounds or Bounds()
        self.idle: list[Worker] = []
        self.busy: set[Worker] = set()
        self.lock = RLock()  # a generator that is dropped may be closed anywhere
        self.is_closed = False

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        """End all workers, even if they are decoding."""
        with self.lock:
            self.is_closed = True
            for worker in (*self.idle, *self.busy):
                worker.kill()

    def answers(self, span: Span) -> Generator[Answer]:
        """Yield the results of the task for a part of a file.

        Raises AudioError: AUD-MISSING, AUD-FILE, AUD-EMPTY, AUD-COSTLY where decoding takes more
        than the bounds, AUD-CORRUPT where it ends the worker, and what the task raises.
        """
        with _opened(span.path) as descriptor, self._worker(span) as worker:
            yield from worker.answers(replace(span, descriptor=descriptor))

    @contextmanager
    def _worker(self, span: Span) -> Iterator[Worker]:
        """Yield an idle worker, or a new one; it is kept if it is idle afterwards."""
        with self.lock:
            if self.is_closed:
                raise corrupt(span, "not decoded, work was ended before")
            while self.idle and not self.idle[-1].is_idle:
                self.idle.pop().kill()
            worker = self.idle.pop() if self.idle else Worker(self.task, self.bounds)
            self.busy.add(worker)
        try:
            yield worker
        finally:
            with self.lock:
                self.busy.discard(worker)
                if worker.is_idle:
                    self.idle.append(worker)
                else:
                    worker.kill()


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A file's descriptor. Raises AudioError AUD-MISSING, AUD-FILE or AUD-EMPTY."""
    regular_size(path)
    # It may have become a FIFO since, which would block; the worker looks again.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
