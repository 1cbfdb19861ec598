"""Find the pauses of a recording by its loudness. No torch.

T frames of 20 ms. A recording of four hours has 720,000 of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mothertongue.data.audio.load import FRAME_SAMPLES, SAMPLE_RATE_HZ, Samples

FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
RANGE_DB = 45.0
"""How far below its loud frames a recording is looked at: what is quieter is all the same."""
LOUD_SHARE = 0.9
"""The loud frames are those above this share of the frames that are not nearly silent."""
MAX_RANGE_DB = 60.0
"""Frames this far below the loudest are nearly silent, even in a recording that mostly is."""
LEAST_DEPTH_DB = 6.0
"""A pause is at least this far below the loud frames: steady noise has none."""
SHORTEST_PAUSE_S = 0.12
"""The closure of a stop, such as the k of one word, is quiet for up to about 0.1 s."""
NUM_BINS = 90  # of half a decibel
SILENCE = 1e-9  # the energy of a frame of zeros, -90 dB

Booleans = np.ndarray[Any, np.dtype[np.bool_]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Levels = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Pause:
    """A quiet stretch of a recording, in seconds."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def middle_s(self) -> float:
        return (self.start_s + self.end_s) / 2


class Loudness:
    """Collects the level of each frame of a recording that comes in blocks."""

    def __init__(self) -> None:
        self._levels: list[Levels] = []
        self._rest_N: Samples = np.zeros(0, np.float32)

    def add(self, block_N: Samples) -> None:
        """Add the next samples, float32 (N,) at 16 kHz."""
        joined_N = np.concatenate([self._rest_N, block_N])
        count = len(joined_N) // FRAME_SAMPLES
        whole_TN = joined_N[: count * FRAME_SAMPLES].reshape(count, FRAME_SAMPLES)
        energy_T = np.square(whole_TN).mean(axis=1)
        self._levels.append(10 * np.log10(energy_T + SILENCE))
        self._rest_N = joined_N[count * FRAME_SAMPLES :].copy()

    def levels(self) -> Levels:
        """Return the level of each whole frame in dB below full scale, float32 (T,)."""
        return np.concatenate([*self._levels, np.zeros(0, np.float32)])


class Sound:
    """The time of a recording that is louder than its pauses, frame by frame."""

    def __init__(self, sounding_T: Booleans) -> None:
        """`sounding_T`: whether each frame is louder, bool (T,)."""
        self._sounding_T = sounding_T
        self._seconds = np.concatenate([[0.0], np.cumsum(sounding_T) * FRAME_S])

    @property
    def total_s(self) -> float:
        return float(self._seconds[-1])

    def before(self, times_s: Floats) -> Floats:
        """Return the seconds of sound before each time of the recording; a pause takes none."""
        last = len(self._seconds) - 1
        return self._seconds[np.clip(np.rint(times_s / FRAME_S).astype(int), 0, last)]

    def between(self, start_s: float, end_s: float) -> float:
        """Return the seconds of sound between two times of the recording."""
        first, last = self.before(np.array([start_s, end_s])).tolist()
        return float(last - first)

    def pauses(self) -> list[Pause]:
        """Return the pauses of at least SHORTEST_PAUSE_S, in order."""
        found = (Pause(start * FRAME_S, end * FRAME_S) for start, end in _runs(~self._sounding_T))
        return [each for each in found if each.duration_s >= SHORTEST_PAUSE_S - FRAME_S / 2]


def sound_of(levels_T: Levels) -> Sound:
    """Return which frames are louder than the pauses, given the level of each in dB, (T,).

    The limit between the two is that of Otsu 1979, over the levels below the loud frames.
    """
    if not len(levels_T):
        return Sound(np.zeros(0, bool))
    loud = float(np.quantile(levels_T[levels_T > levels_T.max() - MAX_RANGE_DB], LOUD_SHARE))
    clipped_T = np.clip(_smooth(levels_T), loud - RANGE_DB, loud)
    counts, edges = np.histogram(clipped_T, bins=NUM_BINS, range=(loud - RANGE_DB, loud))
    return Sound(clipped_T > min(_otsu(counts, edges), loud - LEAST_DEPTH_DB))


def _smooth(levels_T: Levels) -> Levels:
    padded_T = np.pad(levels_T, 1, mode="edge")
    return (padded_T[:-2] + padded_T[1:-1] + padded_T[2:]) / 3


def _otsu(counts: np.ndarray[Any, Any], edges: np.ndarray[Any, Any]) -> float:
    """Return the level that divides frames into two groups with the least variance within both."""
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    best = np.nan_to_num(between)
    # Of equally good limits the middle one, as where no level lies between the two groups.
    at_best = np.flatnonzero(best >= best.max() * (1 - 1e-9))
    return float(edges[1 + at_best[len(at_best) // 2]])


def _runs(is_in_T: Booleans) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each run of true values."""
    changes = np.diff(np.concatenate([[False], is_in_T, [False]]).astype(np.int8))
    yield from zip(
        np.flatnonzero(changes == 1).tolist(), np.flatnonzero(changes == -1).tolist(), strict=True
    )
