"""Clips of many requests in one batch: while a batch is decoded, the next one gathers.

Nobody waits for a batch to fill. Requests take turns, clip by clip: a long recording holds nobody
up. A request that is cancelled takes its clips out of the queue.
"""

import asyncio
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from mothertongue.decoding.transcript import Clip, ClipTranscriber
from mothertongue.serving.errors import busy
from mothertongue.transcription.parts import Part, decode_parts

log = logging.getLogger(__name__)
Watch = Callable[[int, float], None]
"""Told the clips of each batch and how many seconds it took."""


@dataclass(eq=False, slots=True)
class _Job:
    clip: Clip
    done: "asyncio.Future[list[Part]]"
    loop: asyncio.AbstractEventLoop

    def resolve(self, found: list[Part] | Exception) -> None:
        """From the engine's thread."""
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
    """One engine in a thread of its own."""

    engine: ClipTranscriber
    batch_size: int
    max_waiting: int
    watch: Watch = lambda _clips, _seconds: None
    _queues: "OrderedDict[int, deque[_Job]]" = field(default_factory=OrderedDict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _keys: "count[int]" = field(default_factory=count)
    _is_open: bool = True
    _batch_s: float = 1.0

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Clips that no batch has taken yet, and that somebody still wants."""
        return sum(not job.done.cancelled() for queue in self._queues.values() for job in queue)

    def submit(self, clips: Sequence[Clip]) -> "list[asyncio.Future[list[Part]]]":
        """A future for the parts of each clip; cancel them all to leave the queue.

        Raises ApiError 503 where more wait than may.
        """
        if not clips:
            return []
        loop = asyncio.get_running_loop()
        jobs = [_Job(clip, loop.create_future(), loop) for clip in clips]
        with self._changed:
            waiting = self.waiting
            if waiting and waiting + len(jobs) > self.max_waiting:
                seconds = self._batch_s * waiting / self.batch_size
                raise busy(f"{waiting} clips wait already", "overloaded", round(seconds))
            self._queues[next(self._keys)] = deque(jobs)
            self._changed.notify()
        return [job.done for job in jobs]

    def close(self) -> None:
        """Let the thread end after its batch."""
        with self._changed:
            self._is_open = False
            self._changed.notify()
        self._thread.join(timeout=60)

    def _work(self) -> None:
        while batch := self._next():
            began = time.monotonic()
            try:
                found: Sequence[list[Part] | Exception] = decode_parts(
                    self.engine, [job.clip for job in batch]
                )
            except Exception as error:
                log.exception("a batch of %d clips failed", len(batch))
                found = [error] * len(batch)
            self._batch_s = time.monotonic() - began
            for job, parts in zip(batch, found, strict=True):
                job.resolve(parts)
            self.watch(len(batch), self._batch_s)

    def _next(self) -> list[_Job]:
        """The next batch, as soon as there is one clip; none when closed."""
        with self._changed:
            while self._is_open:
                batch: list[_Job] = []
                while self._queues and len(batch) < self.batch_size:
                    key, queue = self._queues.popitem(last=False)
                    while queue:
                        job = queue.popleft()
                        if not job.done.cancelled():
                            batch.append(job)
                            break
                    if queue:
                        self._queues[key] = queue  # to the end: requests take turns
                if batch:
                    return batch
                self._changed.wait()
        return []
