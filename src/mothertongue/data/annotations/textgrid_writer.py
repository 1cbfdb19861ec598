"""Write tiers as Praat's TextGrid, in its long form."""

from collections.abc import Iterator, Sequence

from mothertongue.data.annotations.segments import Segment, Tier

HEAD = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = {end}
tiers? <exists>
size = {size}
item []:
"""
TIER = """    item [{number}]:
        class = "IntervalTier"
        name = {name}
        xmin = 0
        xmax = {end}
        intervals: size = {size}
"""
INTERVAL = """        intervals [{number}]:
            xmin = {start}
            xmax = {end}
            text = {text}
"""
Interval = tuple[float, float, str]


def write_textgrid(tiers: Sequence[Tier], duration_s: float) -> str:
    """Return the text of a TextGrid of a recording. Segments are in order and have times.

    Praat needs intervals without gaps: pauses are intervals without text.
    """
    ends = [each.end_s or 0.0 for tier in tiers for each in tier.segments]
    end_s = max([duration_s, *ends])
    parts = [HEAD.format(end=_written(end_s), size=len(tiers))]
    for number, tier in enumerate(tiers, start=1):
        intervals = [*_intervals(tier.segments, end_s)]
        name, size = _quoted(tier.name), len(intervals)
        parts.append(TIER.format(number=number, name=name, end=_written(end_s), size=size))
        for place, (start, end, text) in enumerate(intervals, start=1):
            times = {"start": _written(start), "end": _written(end)}
            parts.append(INTERVAL.format(number=place, text=_quoted(text), **times))
    return "".join(parts)


def _intervals(segments: Sequence[Segment], end_s: float) -> Iterator[Interval]:
    last_s = 0.0
    for each in segments:
        assert each.start_s is not None and each.end_s is not None
        if each.start_s > last_s:
            yield last_s, each.start_s, ""
        yield each.start_s, each.end_s, each.text
        last_s = each.end_s
    if last_s < end_s or not segments:
        yield last_s, end_s, ""


def _written(time_s: float) -> str:
    return str(round(time_s, 3))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
