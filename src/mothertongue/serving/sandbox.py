"""Decode uploads in a fixed number of workers; one is replaced if a file kills it or hangs."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from mothertongue.data.audio.decoders import Span
from mothertongue.data.audio.load import AudioError
from mothertongue.data.sandbox.bounds import Bounds
from mothertongue.data.sandbox.process import Worker, WorkerError
from mothertongue.inference.speech_detection import Piece
from mothertongue.serving.errors import ApiError, busy
from mothertongue.serving.limits import Limits
from mothertongue.serving.speech_task import TASK

NAME = "file"
"""The name of an upload in messages: it is that of the form's field."""


@dataclass(frozen=True, slots=True)
class Speech:
    """The speech in an upload."""

    duration_s: float
    pieces: list[Piece]


class Sandbox:
    """A fixed number of workers, each with one file at a time."""

    def __init__(self, limits: Limits, count: int) -> None:
        self.limits, self.count = limits, count
        self.bounds = Bounds(limits.decode_s, 2 * limits.decode_s, limits.decode_bytes)
        self.free: asyncio.Queue[Worker] = asyncio.Queue()

    async def start(self) -> None:
        """Start all workers, so that the first request does not wait. Raises WorkerError."""
        workers = [Worker(TASK, self.bounds) for _ in range(self.count)]
        for worker in workers:
            self.free.put_nowait(worker)
        try:
            await asyncio.gather(*(asyncio.to_thread(each.wait_until_ready) for each in workers))
        except WorkerError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the idle workers; the others end with their request."""
        while not self.free.empty():
            self.free.get_nowait().kill()

    async def speech(self, data: bytes) -> Speech:
        """Return the speech in a file. Raises ApiError 400 if the limits do not allow to decode it.

        A file whose worker died is not tried again.
        """
        worker, is_over = await self.free.get(), False
        try:
            if not worker.is_idle:
                worker.kill()
                worker = Worker(TASK, self.bounds)
            found = await asyncio.to_thread(_speech, worker, data, self.limits.audio_s)
            is_over = True
            return found
        except AudioError as error:
            is_over = True
            message = f"{error.reason}; {error.fix} ({error.code})"
            raise ApiError(400, message, error.code, NAME) from None
        except WorkerError:
            raise busy("no decoder could be started", "overloaded", 5) from None
        finally:
            # Where the client has gone, a thread still waits for the answer.
            if not (is_over and worker.is_idle):
                worker.kill()
            self.free.put_nowait(worker)  # the next request replaces one that is dead


def _speech(worker: Worker, data: bytes, audio_s: float) -> Speech:
    pieces, duration_s = [], 0.0
    with _as_file(data) as descriptor:
        span = Span(Path(NAME), max_duration_s=audio_s, descriptor=descriptor)
        for found, arrays in worker.answers(span):
            duration_s = found.get("duration_s", duration_s)
            pieces += [Piece(found["start_s"], samples_N) for samples_N in arrays]
    return Speech(duration_s, pieces)


@contextmanager
def _as_file(data: bytes) -> Iterator[int]:
    """Yield an open file without a name."""
    with (
        os.fdopen(os.memfd_create(NAME), "w+b") if sys.platform == "linux" else TemporaryFile()
    ) as file:
        file.write(data)
        file.flush()
        yield file.fileno()
