"""Choose the spans of a text and its recording that agree, with both ends in a pause. No torch.

N characters of text, U units (boundary b stands before unit b), T frames of 20 ms.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mothertongue.inference.alignment.evidence import Evidence, Place
from mothertongue.inference.alignment.matching import longest_growing
from mothertongue.inference.alignment.pauses import FRAME_S, Pause, Sound

PAD_S = 0.25
"""The silence that a span keeps at each end, at most."""
NEAR_S = 0.3
"""How far a pause may lie from the place where a boundary was recognized: word times by attention
are off by 0.1 to 0.2 s."""
MOST_DOUBT_S = 0.5
"""The most that may speak against a pause at a boundary."""
CUT_COST = 4.0
SHORT_PAUSE_COST, LONG_PAUSE_S = 12.0, 0.4
"""A cut costs as much as this many lost characters; less in a pause of LONG_PAUSE_S or more."""
ONE_SIDED_COST = 6.0
"""The further cost where only one side of a boundary agrees."""
UNSURE_COST, SURE_S = 16.0, 0.2
"""The further cost of a pause that two boundaries are equally near to: the word between them may be
on the wrong side. It falls to 0 where SURE_S more speaks against the second boundary."""
WIDEST_S = 5.0
"""No place is wider: more sound between two characters is a gap."""
MIN_SPAN_S = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a span."""

    max_s: float
    max_tokens: int
    least: float
    """The least agreement of its characters with those recognized, in [0, 1]."""

    def least_of(self, num_characters: int) -> float:
        """Return the least agreement of a span of so many characters: two standard errors more.

        Texts that have nothing to do with each other agree by chance, and short ones more often.
        """
        return self.least + 2 * math.sqrt(self.least * (1 - self.least) / max(1, num_characters))


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring units [first, last) and the time in which they are spoken, in seconds."""

    first: int
    last: int
    start_s: float
    end_s: float
    agreement: float


@dataclass(frozen=True, slots=True)
class Rest:
    """The gap between two spans: units [first, last), perhaps none, and a time in seconds.

    `sound_s` is how much of it is louder than the pauses.
    """

    first: int
    last: int
    start_s: float
    end_s: float
    sound_s: float


@dataclass(frozen=True, slots=True)
class Cut:
    """A pause in which a span may end before boundary `unit`, or begin at it."""

    unit: int
    pause: Pause
    cost: float


@dataclass(frozen=True, slots=True)
class Owned:
    """A place and its pause. `margin_s`: how much more speaks against any other place there."""

    place: Place
    pause: Pause
    margin_s: float

    def cost(self) -> float:
        """Return what a cut costs here, in characters."""
        short = max(0.0, 1 - self.pause.duration_s / LONG_PAUSE_S)
        unsure = max(0.0, 1 - self.margin_s / SURE_S)
        one_sided = 0.0 if self.place.begins and self.place.ends else ONE_SIDED_COST
        return CUT_COST + SHORT_PAUSE_COST * short + UNSURE_COST * unsure + one_sided


def choose(
    evidence: Evidence,
    sound: Sound,
    tokens_U: Sequence[int],
    limits: Limits,
    duration_s: float,
) -> list[Span]:
    """Return the spans that keep the most characters with the fewest and safest cuts, in order.

    `tokens_U`: the label tokens of each unit.
    """
    starts, ends = _cuts(evidence.places(), _with_edges(sound.pauses(), duration_s), sound)
    ends_at = {cut.unit: cut for cut in ends}
    starts.sort(key=lambda each: each.unit)
    tokens = np.concatenate([[0], np.cumsum(tokens_U)]).tolist()
    best = [0.0]  # the value of the best spans before each boundary
    taken: list[Span | None] = [None]  # the last of them, if it ends there
    for unit in range(1, evidence.num_units + 1):
        value, chosen = best[-1], None
        for start, span in _spans_to(ends_at.get(unit), starts, tokens, limits, duration_s):
            num_characters = evidence.characters(span.first, unit)
            gain = num_characters - start.cost - ends_at[unit].cost
            if best[span.first] + gain <= value or evidence.has_gap(span.first, unit):
                continue
            times_s = sound.before(np.array([span.start_s, span.end_s])).tolist()
            agreement = evidence.agreement(span.first, unit, *times_s)
            if agreement >= limits.least_of(num_characters):
                value, chosen = best[span.first] + gain, replace(span, agreement=agreement)
        best.append(value)
        taken.append(chosen)
    return _walk_back(taken)


def _spans_to(
    end: Cut | None,
    starts: Sequence[Cut],
    tokens: Sequence[int],
    limits: Limits,
    duration_s: float,
) -> Iterator[tuple[Cut, Span]]:
    """Yield the spans that end at a cut and keep the limits, the shortest first."""
    if end is None:
        return
    last = bisect_left(starts, end.unit, key=lambda each: each.unit)
    for start in reversed(starts[:last]):
        span = _span(start, end, duration_s)
        seconds = span.end_s - span.start_s
        num_tokens = tokens[end.unit] - tokens[start.unit]
        if seconds > limits.max_s or num_tokens > limits.max_tokens:
            return
        if seconds >= MIN_SPAN_S:
            yield start, span


def rests(spans: Sequence[Span], num_units: int, sound: Sound, duration_s: float) -> list[Rest]:
    """Return what lies before, between and after the spans, in order, without what is empty.

    A rest without units and with less than a second of sound is empty.
    """
    edges = [(0, 0.0), *((each.last, each.end_s) for each in spans)]
    nexts = [*((each.first, each.start_s) for each in spans), (num_units, duration_s)]
    found = [
        Rest(first, last, start_s, end_s, sound.between(start_s, end_s))
        for (first, start_s), (last, end_s) in zip(edges, nexts, strict=True)
    ]
    return [each for each in found if each.last > each.first or each.sound_s >= 1.0]


def _with_edges(pauses: Sequence[Pause], duration_s: float) -> list[Pause]:
    """Return the pauses, and the silence before and after the recording as two more."""
    inner = [each for each in pauses if each.start_s > 0 and each.end_s < duration_s - FRAME_S]
    before = next((each.end_s for each in pauses if each.start_s <= 0), 0.0)
    after = next((p.start_s for p in pauses if p.end_s >= duration_s - FRAME_S), duration_s)
    outside_s = LONG_PAUSE_S + 2 * PAD_S
    return [Pause(before - outside_s, before), *inner, Pause(after, after + outside_s)]


def _cuts(
    places: Sequence[Place], pauses: Sequence[Pause], sound: Sound
) -> tuple[list[Cut], list[Cut]]:
    """Return the cuts at which a span may begin, and those at which it may end.

    A pause belongs to the boundary that the least speaks against, and a boundary has the longest of
    its pauses.
    """
    ordered = sorted(places, key=lambda each: each.start_s)
    times_s = sound.before(np.array([each.middle_s for each in pauses])).tolist()
    longest: dict[int, Owned] = {}
    for pause, time_s in zip(pauses, times_s, strict=True):
        numbers, margin_s = _owners(ordered, time_s)
        for number in numbers:
            if number not in longest or pause.duration_s > longest[number].pause.duration_s:
                longest[number] = Owned(ordered[number], pause, margin_s)
    return _in_order(list(longest.values()))


def _in_order(found: Sequence[Owned]) -> tuple[list[Cut], list[Cut]]:
    """Return the cuts at these places, without those whose pause is before that of another."""
    by_unit = sorted(found, key=lambda each: (each.place.unit, each.place.begins))
    order = [(each.pause.start_s, each.place.begins) for each in by_unit]
    ranks = {each: rank for rank, each in enumerate(sorted(order))}
    starts, ends = [], []
    for i, _ in longest_growing([(i, ranks[each]) for i, each in enumerate(order)]):
        place = by_unit[i].place
        cut = Cut(place.unit, by_unit[i].pause, by_unit[i].cost())
        starts += [cut] if place.begins else []
        ends += [cut] if place.ends else []
    return starts, ends


def _owners(ordered: Sequence[Place], time_s: float) -> tuple[list[int], float]:
    """Return the numbers of the places to which a pause belongs: one, none, or two; and the margin.

    Where text without speech would stand in the pause, one span ends there before that text, and
    another begins behind it. The margin is how much more speaks against the next best unit.
    """
    near = sorted(_near(ordered, time_s))
    if not near:
        return [], 0.0
    least_s, number = near[0]
    best = ordered[number]
    owners = [number]
    if not (best.begins and best.ends):
        owners += [other for _, other in near if _are_around_a_gap(best, ordered[other])][:1]
    units = {ordered[each].unit for each in owners}
    others_s = (doubt_s for doubt_s, other in near if ordered[other].unit not in units)
    return owners, next(others_s, math.inf) - least_s


def _near(ordered: Sequence[Place], time_s: float) -> Iterator[tuple[float, int]]:
    """Yield how much speaks against each place that a pause may belong to, and its number."""
    last = bisect_left(ordered, time_s + NEAR_S, key=lambda each: each.start_s)
    for number in range(last - 1, -1, -1):
        place = ordered[number]
        if place.start_s < time_s - WIDEST_S:
            return
        doubt_s = place.doubt_s(time_s)
        if place.distance_s(time_s) <= NEAR_S and doubt_s <= MOST_DOUBT_S:
            yield doubt_s, number


def _are_around_a_gap(one: Place, other: Place) -> bool:
    first, last = sorted((one, other), key=lambda each: each.unit)
    is_end, is_begin = first.ends and not first.begins, last.begins and not last.ends
    return is_end and is_begin and first.unit < last.unit


def _span(start: Cut, end: Cut, duration_s: float) -> Span:
    start_s = max(start.pause.end_s - PAD_S, start.pause.middle_s, 0.0)
    end_s = min(end.pause.start_s + PAD_S, end.pause.middle_s, duration_s)
    return Span(start.unit, end.unit, round(start_s, 3), round(end_s, 3), 0.0)


def _walk_back(taken: Sequence[Span | None]) -> list[Span]:
    found: list[Span] = []
    unit = len(taken) - 1
    while unit > 0:
        span = taken[unit]
        if span is not None:
            found.append(span)
        unit = span.first if span else unit - 1
    return found[::-1]
