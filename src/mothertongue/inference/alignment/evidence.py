"""Say where the boundaries of a text's units are in a recording, by the characters recognized.

N characters of text, M recognized ones, U units (boundary b stands before unit b). All times are
in seconds of sound: pauses take none, so that a pause is a point. No torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mothertongue.inference.alignment.matching import NONE, Integers, match
from mothertongue.inference.alignment.pauses import Booleans, Floats, Sound
from mothertongue.inference.alignment.units import HeardWord, Unit

SIDE = 10
"""Characters on each side of a boundary that are looked at."""
SIDE_AGREEMENT = 0.5
"""The least share of them that must be recognized."""
NEAR = 8
"""The nearest recognized character is at most this many unrecognized ones away: a short word."""
EXTRA = 6
"""More recognized characters than this at a boundary, beyond those of the text, are speech that the
text does not have: a span ends before them, and another begins after them."""
DENSITY_SIDE, LEAST_DENSITY = 8, 0.35
LEAST_RUN = 4
"""Matches are taken for chance if fewer are around them, or if so few follow each other without a
gap: at the edge of speech without text, its letters may be equal to those behind it."""
GAP_S, GAP_RATIO = 1.0, 0.5
"""Between two recognized characters the sound may be longer or shorter than the text needs by this
much: by GAP_S, and by GAP_RATIO of what it needs."""
EXPECTATION_WEIGHT = 0.5
"""The weight of the expected time: speech is less even than the times of words are exact."""
NO_STOP_S = 0.1
"""Speaks against a pause where no punctuation stands, in seconds."""
MOST_OUTER = 60
"""A span may begin or end with the text if at most this many characters, a sentence, are before the
first recognized one, or behind the last."""
RATE_SIDE = 20
"""The place of a boundary is also estimated from the characters this far before and after it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A boundary between two units, and the time between the two characters beside it.

    `expected_s`: where it would be if the words around it were spoken evenly; None if that is not
    known. `begins`: a span may begin here, since what follows agrees. `ends`: one may end here.
    `is_stop`: punctuation stands here.
    """

    unit: int
    start_s: float
    end_s: float
    expected_s: float | None
    begins: bool
    ends: bool
    is_stop: bool

    def distance_s(self, time_s: float) -> float:
        """Return how far a time is from this place."""
        return max(0.0, self.start_s - time_s, time_s - self.end_s)

    def doubt_s(self, time_s: float) -> float:
        """Return how much speaks against a pause at this time, in seconds."""
        unexpected_s = 0.0 if self.expected_s is None else abs(time_s - self.expected_s)
        return (
            self.distance_s(time_s)
            + EXPECTATION_WEIGHT * unexpected_s
            + (0.0 if self.is_stop else NO_STOP_S)
        )


class Evidence:
    """The match of a text with what was recognized, and what can be asked about its parts."""

    def __init__(self, units: Sequence[Unit], heard: Sequence[HeardWord], sound: Sound) -> None:
        self.num_units = len(units)
        self._units = units
        text = [char for unit in units for char in unit.characters]
        lengths = [len(unit.characters) for unit in units]
        self._first_U = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        found_N = match(text, [char for word in heard for char in word.characters])
        self._found_N = _dense(_without_strays(found_N))
        self._matched_N = np.flatnonzero(self._found_N != NONE)
        self._count_N = np.concatenate([[0], np.cumsum(self._found_N != NONE)])
        self._starts_M, self._ends_M = _spread(heard, sound)
        self._total_s = sound.total_s
        self._middles_M = np.maximum.accumulate((self._starts_M + self._ends_M) / 2)
        self.character_s = self._usual_length()
        self._gaps = self._gaps_between()

    def characters(self, first: int, last: int) -> int:
        """Return the number of comparable characters of units [first, last)."""
        return int(self._first_U[last] - self._first_U[first])

    def recognized(self, first: int, last: int) -> int:
        """Return how many of them were recognized."""
        return int(self._count_N[self._first_U[last]] - self._count_N[self._first_U[first]])

    def agreement(self, first: int, last: int, start_s: float, end_s: float) -> float:
        """Return the agreement of units [first, last) with what was recognized in a time.

        Twice the equal characters, by the characters of both.
        """
        begin, end = np.searchsorted(self._middles_M, (start_s, end_s))
        both = self.characters(first, last) + int(end - begin)
        return 2 * self.recognized(first, last) / both if both else 0.0

    def has_gap(self, first: int, last: int) -> bool:
        """Return whether text or speech is missing somewhere within units [first, last)."""
        # A gap is the pair of characters around it; both have to be inside.
        place = int(np.searchsorted(self._gaps[:, 0], self._first_U[first]))
        return bool((self._gaps[place : place + 1, 1] < self._first_U[last]).any())

    def places(self) -> list[Place]:
        """Return the boundaries that are known from one side or both."""
        found = []
        for unit in range(self.num_units + 1):
            # A dash or a quotation mark that stands alone goes with the word before it.
            if unit in (0, self.num_units) or self._units[unit].characters:
                found += self._places_at(unit)
        return found

    def _places_at(self, unit: int) -> list[Place]:
        at = int(self._first_U[unit])
        before, after = self._before(at), self._after(at)
        is_stop = unit in (0, self.num_units) or self._units[unit - 1].is_stop
        if before is not None and after is not None:
            extra = self._found_N[after] - self._found_N[before] - (after - before)
            start_s, end_s = sorted((self._end_s(before, at), self._start_s(after, at)))
            if extra <= EXTRA:
                return [Place(unit, start_s, end_s, self._expected_s(at), True, True, is_stop)]
        found = []
        if before is not None:
            times = self._times(self._end_s(before, at), self._expected_from(at, -RATE_SIDE))
            found.append(Place(unit, *times, False, True, is_stop))
        if after is not None:
            times = self._times(self._start_s(after, at), self._expected_from(at, RATE_SIDE))
            found.append(Place(unit, *times, True, False, is_stop))
        return found or self._outer(unit)

    def _outer(self, unit: int) -> list[Place]:
        """Return the start or the end of the text, if the sound there is as long as the text needs.

        The words there may be recognized wrong, but none is missing.
        """
        if unit not in (0, self.num_units) or not len(self._matched_N):
            return []
        first, last = self._matched_N[[0, -1]].tolist()
        found, other = int(self._found_N[first]), int(self._found_N[last])
        if unit == 0:
            time_s, count, num_heard = 0.0, first, found
            sound_s = float(self._starts_M[found])
        else:
            time_s, count = self._total_s, self.characters(0, unit) - 1 - last
            num_heard = len(self._ends_M) - 1 - other
            sound_s = self._total_s - float(self._ends_M[other])
        is_like = abs(num_heard - count) <= max(EXTRA, GAP_RATIO * count)
        if count > MOST_OUTER or not is_like or _is_gap(sound_s, count * self.character_s):
            return []
        return [Place(unit, time_s, time_s, None, unit == 0, unit != 0, True)]

    def _times(self, time_s: float, expected_s: float | None) -> tuple[float, float, float | None]:
        """Return the start, the end and the expected time of a place that is known from one side.

        The word at the edge of what was not recognized often takes in the time of its neighbour.
        """
        other_s = time_s if expected_s is None else expected_s
        return min(time_s, other_s), max(time_s, other_s), expected_s

    def _before(self, at: int) -> int | None:
        """Return the nearest recognized character before a place in the text, if it is sure."""
        window = self._found_N[max(0, at - SIDE) : at] != NONE
        if not len(window) or window.mean() < SIDE_AGREEMENT:
            return None
        last = int(self._matched_N[np.searchsorted(self._matched_N, at) - 1])
        return last if at - 1 - last <= NEAR else None

    def _after(self, at: int) -> int | None:
        window = self._found_N[at : at + SIDE] != NONE
        if not len(window) or window.mean() < SIDE_AGREEMENT:
            return None
        first = int(self._matched_N[np.searchsorted(self._matched_N, at)])
        return first if first - at <= NEAR else None

    def _end_s(self, before: int, at: int) -> float:
        return float(self._ends_M[self._found_N[before]]) + (at - 1 - before) * self.character_s

    def _start_s(self, after: int, at: int) -> float:
        return float(self._starts_M[self._found_N[after]]) - (after - at) * self.character_s

    def _expected_s(self, at: int) -> float | None:
        """Return the time of a place in the text if its surroundings were spoken evenly."""
        left = int(np.searchsorted(self._matched_N, at - RATE_SIDE, "right")) - 1
        right = int(np.searchsorted(self._matched_N, at + RATE_SIDE))
        if left < 0 or right == len(self._matched_N):
            return None
        first, last = int(self._matched_N[left]), int(self._matched_N[right])
        if last - first > 4 * RATE_SIDE:
            return None
        start_s, end_s = (float(self._middles_M[self._found_N[each]]) for each in (first, last))
        # The middle of character i is half a character behind boundary i.
        return start_s + (at - first - 0.5) / (last - first) * (end_s - start_s)

    def _expected_from(self, at: int, distance: int) -> float | None:
        """Return the time of a place if all from a character at this distance is spoken evenly."""
        side = np.searchsorted(self._matched_N, at + distance, "right" if distance < 0 else "left")
        number = int(side) - (distance < 0)
        if not 0 <= number < len(self._matched_N):
            return None
        other = int(self._matched_N[number])
        if abs(other - at) > 2 * abs(distance):
            return None
        return float(self._middles_M[self._found_N[other]]) + (at - other - 0.5) * self.character_s

    def _usual_length(self) -> float:
        """Return the time of a character, in seconds of sound: the median over stretches of text.

        One word may take in the time of many that were not recognized.
        """
        first_N, last_N = self._matched_N[:-SIDE], self._matched_N[SIDE:]
        near = last_N - first_N <= 2 * SIDE
        if not near.any():
            return 0.0
        starts_s, ends_s = (
            self._middles_M[self._found_N[each[near]]] for each in (first_N, last_N)
        )
        return float(np.median((ends_s - starts_s) / (last_N - first_N)[near]))

    def _gaps_between(self) -> Integers:
        """Return the pairs of neighbouring recognized characters between which something lacks."""
        if len(self._matched_N) < 2:
            return np.zeros((0, 2), np.int64)
        pairs = np.stack([self._matched_N[:-1], self._matched_N[1:]], axis=1)
        places = self._found_N[pairs]
        between_s = self._starts_M[places[:, 1]] - self._ends_M[places[:, 0]]
        needed_s = (self.character_s * (pairs[:, 1] - pairs[:, 0] - 1)).astype(np.float64)
        return pairs[_is_gap(between_s, needed_s)]


def _is_gap(sound_s: Floats | float, needed_s: Floats | float) -> Booleans:
    """Return whether the sound is longer or shorter than the text needs by too much."""
    return np.asarray(np.abs(sound_s - needed_s) > GAP_S + GAP_RATIO * needed_s)


def _spread(heard: Sequence[HeardWord], sound: Sound) -> tuple[Floats, Floats]:
    """Return the start and the end of each recognized character, evenly over the sound of its word.

    The time of a word holds the pause beside it: attention has to be somewhere.
    """
    starts_s = sound.before(np.array([each.start_s for each in heard], np.float64))
    ends_s = sound.before(np.array([each.end_s for each in heard], np.float64))
    counts = np.array([len(each.characters) for each in heard], np.int64)
    owners = np.repeat(np.arange(len(heard)), counts)
    places = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    length_s = ((ends_s - starts_s) / np.maximum(counts, 1))[owners]
    return starts_s[owners] + places * length_s, starts_s[owners] + (places + 1) * length_s


def _without_strays(found_N: Integers) -> Integers:
    """Return the matches without those in runs that are too short.

    A run ends where more than EXTRA characters of one side lie between two matches.
    """
    matched_N = np.flatnonzero(found_N != NONE)
    gaps = np.abs(np.diff(found_N[matched_N]) - np.diff(matched_N)) > EXTRA
    runs = np.concatenate([[0], np.cumsum(gaps)])[: len(matched_N)]
    is_short = np.bincount(runs, minlength=1)[runs] < LEAST_RUN
    kept_N = found_N.copy()
    kept_N[matched_N[is_short]] = NONE
    return kept_N


def _dense(found_N: Integers) -> Integers:
    """Return the matches without those that have few others around them."""
    if not len(found_N):  # `convolve` would return two values
        return found_N
    is_found = (found_N != NONE).astype(np.float64)
    width = 2 * DENSITY_SIDE + 1
    padded = np.pad(is_found, DENSITY_SIDE)
    around = np.convolve(padded, np.ones(width), mode="valid")
    size = np.convolve(np.pad(np.ones_like(is_found), DENSITY_SIDE), np.ones(width), mode="valid")
    return np.where(around >= LEAST_DENSITY * size, found_N, NONE)
