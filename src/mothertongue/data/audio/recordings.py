"""Decode the rows of one long recording without decoding it from its start for each of them.

The samples are always those of decoding from the start. FFmpeg's seeking cannot promise them: AAC
fills bands with noise whose state goes back to the file's start, and Opus needs half a second to
arrive at the same bits. So a row that begins where the last one ended goes on with the same
decoder. For a row before that place a second decoder begins a little earlier, and what it gives is
compared with the digests of what the first one gave. If they differ, the first one begins again.
"""

import hashlib
import os
import sys
from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from collections.abc import Generator, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

import numpy as np
import numpy.typing as npt

GROUP_FRAMES = 50  # 1 s of 20 ms; a digest for each group: 90 kB for an hour
WARM_UP_S = 2.0  # Opus takes 0.6 s
LONGEST_SOUGHT_S = 60.0  # its blocks wait in memory until their digests are compared
TAIL_SAMPLES = 30 * 48_000 * 2  # in all channels: rows may overlap by so much
MOST_KEPT = 256  # recordings whose digests are kept


@dataclass(frozen=True, slots=True)
class Frame:
    """Decoded samples block_NC, and the time that the container gives them, in its own unit."""

    pts: int | None
    rate_hz: int
    block_NC: npt.NDArray[np.float32]


Placed = tuple[int, Frame]
"""A frame, and the number of its first sample in the recording."""


class Decoder(Protocol):
    """A file to decode."""

    def frames(self) -> Generator[Frame]:
        """Yield all frames. The generator may be used when the decoder is used no more."""

    def frames_from(self, pts: int) -> Iterator[Frame]:
        """Yield frames from the frame with this time on, or from one before it."""


@dataclass(slots=True)
class Recording:
    """The frames of one file, as far as it was decoded from its start."""

    pts: list[int] = field(default_factory=list)
    """The time of the first frame of each group."""
    positions: list[int] = field(default_factory=list)
    """The number of its first sample."""
    digests: list[bytes] = field(default_factory=list)
    """The digest of each group that is complete."""
    rate_hz: int = 0
    can_seek: bool = True
    _running: Iterator[Placed] = field(default_factory=lambda: iter(()))
    _tail: deque[Placed] = field(default_factory=deque)

    def frames(self, decoder: Decoder, first: int, end: int) -> Iterator[Placed]:
        """Yield frames in order, without a hole: from one at or before sample `first` on.

        They go on to sample `end` at least, or to the recording's end.
        """
        if not self._tail or self._tail[0][0] > first:
            if found := self._sought(decoder, first, end):
                yield from found
                return
            self._tail.clear()
            self._running = self._from_start(decoder)
        yield from list(self._tail)
        while following := next(self._running, None):
            yield following

    def close(self) -> None:
        """Close the decoder; the digests are kept."""
        self._running = iter(())
        self._tail.clear()

    def _from_start(self, decoder: Decoder) -> Iterator[Placed]:
        """Yield all frames; keep the last ones, and the digests of all."""
        position, last_pts, group = 0, -sys.maxsize, hashlib.blake2b(digest_size=8)
        for number, frame in enumerate(decoder.frames()):
            self.rate_hz = frame.rate_hz
            if frame.pts is None or frame.pts <= last_pts:
                self.can_seek = False
            last_pts = frame.pts or 0
            if number % GROUP_FRAMES == 0:
                self._note(number // GROUP_FRAMES, last_pts, position, group.digest())
                group = hashlib.blake2b(digest_size=8)
            group.update(frame.block_NC.tobytes())
            self._tail.append((position, frame))
            while position - self._tail[0][0] > TAIL_SAMPLES // frame.block_NC.shape[1]:
                self._tail.popleft()
            yield position, frame
            position += len(frame.block_NC)

    def _note(self, group: int, pts: int, position: int, digest: bytes) -> None:
        """Keep where a group begins, and the digest of the group before it, if they are new."""
        if group == len(self.pts):
            self.pts.append(pts)
            self.positions.append(position)
            if group:
                self.digests.append(digest)

    def _sought(self, decoder: Decoder, first: int, end: int) -> list[Placed]:
        """Return the frames of the groups that hold a row, by seeking; [] if that cannot be."""
        low = bisect_right(self.positions, first) - 1
        high = bisect_left(self.positions, end)
        warm = bisect_right(self.positions, first - WARM_UP_S * self.rate_hz) - 1
        is_known = warm >= 0 and high < len(self.positions)
        if not self.can_seek or not is_known or end - first > LONGEST_SOUGHT_S * self.rate_hz:
            return []
        found: list[Placed] = []
        with suppress(Exception):  # a decoder may not take what it begins in the middle of
            found = self._groups(low, high, decoder.frames_from(self.pts[warm]))
        self.can_seek = bool(found)
        return found

    def _groups(self, low: int, high: int, frames: Iterator[Frame]) -> list[Placed]:
        """Return the frames of groups, or [] if their digests are not those of before."""
        found: list[Placed] = []
        frame = next(each for each in frames if (each.pts or 0) >= self.pts[low])
        for group in range(low, high):
            position, digest = self.positions[group], hashlib.blake2b(digest_size=8)
            if frame.pts != self.pts[group]:
                return []
            for _ in range(GROUP_FRAMES):
                found.append((position, frame))
                digest.update(frame.block_NC.tobytes())
                position += len(frame.block_NC)
                frame = next(frames)
            if digest.digest() != self.digests[group]:
                return []
        return found


class Recordings:
    """The recordings that this process read last. Threads may share it.

    Only the file that was read last stays open: a worker that decodes what strangers sent has no
    other file at hand.
    """

    def __init__(self) -> None:
        self._forget()
        # A fork would share the places in the open files.
        os.register_at_fork(after_in_child=self._forget)

    @contextmanager
    def taken(self, key: Hashable) -> Iterator[Recording]:
        """Yield a recording, which no other caller gets meanwhile; forget it after an error."""
        with self._lock:
            recording = self._kept.pop(key, None) or Recording()
        self.close()
        yield recording
        with self._lock:
            self._kept[key] = recording
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)

    def close(self) -> None:
        """Close the file of the recording that was read last."""
        with self._lock:
            for each in self._kept.values():
                each.close()

    def _forget(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, Recording] = OrderedDict()
