"""Decode clips of many requests in one batch; the next batch fills while one is decoded.

Nobody waits for a batch to fill. Clients take turns, and then the requests of each, clip by clip:
neither many requests nor a long recording hold others up. A request that is cancelled takes its
clips out of the queue.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from mothertongue.decoding.transcript import Clip, ClipTranscriber
from mothertongue.inference.parts import Part, decode_parts
from mothertongue.serving.errors import busy
from mothertongue.serving.turns import Turns

log = logging.getLogger(__name__)
Watch = Callable[[int, float], None]
"""A function that is called with the clips of each batch and its seconds."""


@dataclass(eq=False, slots=True)
class _Job:
    clip: Clip
    done: "asyncio.Future[list[Part]]"
    loop: asyncio.AbstractEventLoop

    def resolve(self, found: list[Part] | Exception) -> None:
        """Set the result of a clip; called from the engine's thread."""
        with suppress(RuntimeError):  # the loop is closed: the server ended during this batch
            self.loop.call_soon_threadsafe(self._resolve, found)

    def _resolve(self, found: list[Part] | Exception) -> None:
        if self.done.done():  # cancelled meanwhile
            return
        if isinstance(found, Exception):
            self.done.set_exception(found)
        else:
            self.done.set_result(found)


@dataclass
class Batcher:
    """Runs one engine in its own thread."""

    engine: ClipTranscriber
    batch_size: int
    max_waiting: int
    watch: Watch = lambda _clips, _seconds: None
    _queue: Turns[_Job] = field(default_factory=Turns)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _is_open: bool = True
    _batch_s: float = 1.0

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Return the number of clips that wait for a batch and are not cancelled."""
        with self._changed:
            return _wanted(self._queue)

    def submit(self, clips: Sequence[Clip], client: str = "") -> "list[asyncio.Future[list[Part]]]":
        """Return a future for the parts of each clip; cancel all of them to leave the queue.

        Raises ApiError 503 where more wait than may, unless none of this client's do.
        """
        if not clips:
            return []
        loop = asyncio.get_running_loop()
        jobs = [_Job(clip, loop.create_future(), loop) for clip in clips]
        with self._changed:
            waiting = _wanted(self._queue)
            if waiting + len(jobs) > self.max_waiting and _wanted(self._queue.of(client)):
                seconds = self._batch_s * waiting / self.batch_size
                raise busy(f"{waiting} clips wait already", "overloaded", round(seconds))
            self._queue.put(client, jobs)
            self._changed.notify()
        return [job.done for job in jobs]

    def close(self) -> None:
        """Take no more clips. The thread ends after the batch that it decodes."""
        with self._changed:
            self._is_open = False
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        """Wait until the thread has ended, but not longer than this."""
        self._thread.join(max(0.0, timeout_s))

    def _work(self) -> None:
        while self._run_next():
            pass

    def _run_next(self) -> bool:
        """Decode the next batch, and return whether there was one; nothing of it is kept."""
        batch = self._next()
        if not batch:
            return False
        began = time.monotonic()
        found = self._decoded([job.clip for job in batch])
        self._batch_s = time.monotonic() - began
        for job, parts in zip(batch, found, strict=True):
            job.resolve(parts)
        self.watch(len(batch), self._batch_s)
        return True

    def _decoded(self, clips: Sequence[Clip]) -> list[list[Part] | Exception]:
        """Return the parts of each clip, or its error; a batch that fails is decoded in halves."""
        try:
            return [*decode_parts(self.engine, clips)]
        except Exception as error:
            if len(clips) == 1:
                log.exception("a clip of %.1f s cannot be decoded", clips[0].duration_s)
                return [error]
        half = len(clips) // 2
        return self._decoded(clips[:half]) + self._decoded(clips[half:])

    def _next(self) -> list[_Job]:
        """Return the next batch as soon as there is one clip; an empty one when closed."""
        with self._changed:
            while self._is_open:
                batch: list[_Job] = []
                while self._queue and len(batch) < self.batch_size:
                    job = self._queue.take()
                    if not job.done.cancelled():
                        batch.append(job)
                if batch:
                    return batch
                self._changed.wait()
        return []


def close_all(batchers: Sequence[Batcher], timeout_s: float) -> None:
    """Close them, and wait for their last batches, together not longer than this."""
    for batcher in batchers:
        batcher.close()
    until = time.monotonic() + timeout_s
    for batcher in batchers:
        batcher.join(until - time.monotonic())


def _wanted(jobs: Iterable[_Job]) -> int:
    return sum(not job.done.cancelled() for job in jobs)
