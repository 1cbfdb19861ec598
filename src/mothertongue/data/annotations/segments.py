"""Hold the contents of an annotation file: tiers of segments, and the names of its recordings."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from mothertongue.data.scripts import joined_texts


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording and its text. `place` says where it stands in its file.

    A time is None if the file gives none. Notes are codes of `data_report.NOTES`.
    """

    place: str
    start_s: float | None
    end_s: float | None
    text: str
    speaker: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tier:
    """Segments of one kind, usually of one speaker.

    Tiers of a corpus that have different names can share one `kind`. `type` is ELAN's type. It is
    also the kind, unless nobody chose it. `is_aligned`: the segments have times of their own, not
    those of the tier that is named as parent. `depth`: how many tiers lie from it to the
    one with its times; 0 if these are its own.
    """

    name: str
    kind: str
    segments: tuple[Segment, ...]
    type: str | None = None
    is_aligned: bool = True
    parent: str | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Media:
    """A recording as an annotation file names it: paths or URLs, the most likely one first.

    The file's time 0 is `origin_s` in the recording.
    """

    paths: tuple[str, ...]
    origin_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Annotations:
    """An annotation file. `ignored` counts what was not read, by a name that people understand.

    `recording` is the name of the recording, if the name of the file does not say it: a file may
    hold the annotations of `others` too.
    """

    tiers: tuple[Tier, ...]
    media: tuple[Media, ...] = ()
    ignored: Counter[str] = field(default_factory=Counter)
    recording: str | None = None
    others: tuple["Annotations", ...] = ()


def named(name: str) -> tuple[str, str | None]:
    """Return the kind of a tier and its speaker, read from the tier's name.

    `utterance@Anna` is a convention of ELAN users, `Anna - words` one of the Montreal Forced
    Aligner.
    """
    kind, at, speaker = name.rpartition("@")
    if at and kind.strip() and speaker.strip():
        return kind.strip(), speaker.strip()
    speaker, dash, kind = name.rpartition(" - ")
    if dash and kind.strip() and speaker.strip():
        return kind.strip(), speaker.strip()
    return name, None


def seconds_of(milliseconds: str | None) -> float | None:
    """Return a time in seconds; None where the text is no time."""
    try:
        return int(milliseconds or "") / 1000
    except (ValueError, OverflowError):  # Python reads at most 4,300 digits, and divides 308
        return None


def joined(segments: Iterable[Segment], longest_s: float, max_gap_s: float) -> Iterator[Segment]:
    """Yield segments in the order of their times, with neighbours of one speaker joined.

    Two segments are joined if the pause between them is at most `max_gap_s` seconds, they are at
    most `longest_s` seconds together, and nobody else begins to speak between them.
    """
    timed = [each for each in segments if _has_times(each)]
    yield from (each for each in segments if not _has_times(each))
    last: Segment | None = None
    for each in sorted(timed, key=_times):
        if last is not None and _fits(last, each, longest_s, max_gap_s):
            last = _sum(last, each)
        else:
            if last is not None:
                yield last
            last = each
    if last is not None:
        yield last


def _fits(last: Segment, each: Segment, longest_s: float, max_gap_s: float) -> bool:
    (start_s, last_end_s), (next_s, end_s) = _times(last), _times(each)
    is_near = next_s - last_end_s <= max_gap_s and max(end_s, last_end_s) - start_s <= longest_s
    return is_near and last.speaker == each.speaker


def _sum(last: Segment, each: Segment) -> Segment:
    notes = tuple(dict.fromkeys((*last.notes, *each.notes, "SEG-JOINED")))
    end_s = max(_times(last)[1], _times(each)[1])
    return replace(last, end_s=end_s, text=joined_texts((last.text, each.text)), notes=notes)


def _times(segment: Segment) -> tuple[float, float]:
    assert segment.start_s is not None and segment.end_s is not None
    return segment.start_s, segment.end_s


def _has_times(segment: Segment) -> bool:
    start_s, end_s = segment.start_s, segment.end_s
    return start_s is not None and end_s is not None and 0 <= start_s < end_s
