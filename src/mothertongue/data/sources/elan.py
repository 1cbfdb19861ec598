"""Read ELAN's .eaf files (EAF 2 and 3), as linguists and archives keep them.

Times are milliseconds in TIME_SLOTs, and annotations refer to these. Tiers depend on each other: an
ALIGNABLE_ANNOTATION has times, a REF_ANNOTATION has the times of its parent.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

from mothertongue.data.annotations.segments import Annotations, Media, Segment, Tier, named
from mothertongue.data.annotations.xml_files import parse_xml
from mothertongue.data.scripts import joined_texts
from mothertongue.data.sources.annotation import JOIN_OPTIONS, TIER_OPTIONS, AnnotationSource
from mothertongue.errors import Fault

EXAMPLE = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-01T12:00:00+00:00" FORMAT="3.0" VERSION="3.0">
  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
    <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/field/a.wav" MIME_TYPE="audio/x-wav"/>
  </HEADER>
  <TIME_ORDER>
    <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="100"/>
    <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="900"/>
  </TIME_ORDER>
  <TIER LINGUISTIC_TYPE_REF="utterance" PARTICIPANT="Anna" TIER_ID="utterance@A">
    <ANNOTATION>
      <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
        <ANNOTATION_VALUE>habari</ANNOTATION_VALUE>
      </ALIGNABLE_ANNOTATION>
    </ANNOTATION>
  </TIER>
  <LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="utterance" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""

IGNORED = frozenset({"%ignore%", "%junk%"})
"""The texts of segments that are not to be transcribed. SayMore wrote the second one earlier."""


class ElanSource(AnnotationSource):
    """Also files that SayMore (`a.wav.annotations.eaf`) and lameta (`Sessions/x/x.eaf`) write."""

    examples = (
        {"a.eaf": EXAMPLE, "a.wav": ""},
        {"Sessions/a/a.wav.annotations.eaf": EXAMPLE, "Sessions/a/a.wav": "", "Project.csv": ""},
    )
    suffixes = (".annotations.eaf", ".eaf")
    options = JOIN_OPTIONS | TIER_OPTIONS
    precedence = 60

    kind: Literal["elan"] = "elan"

    def read(self, file: Path) -> Annotations:
        return read_eaf(file)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The times of an annotation in seconds. `is_even`: at least one was interpolated evenly."""

    start_s: float | None = None
    end_s: float | None = None
    is_even: bool = False


@dataclass(slots=True)
class Known:
    """The data of a document that its annotations refer to, by their ids."""

    slots: Mapping[str, float | None]
    tiers: Mapping[str, Element]
    aligned: dict[str, Stretch] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)
    """The place of each referring annotation among those of its parent."""


def read_eaf(path: Path) -> Annotations:
    """Return the tiers of an .eaf file and its media. Raises Fault MAN-FORMAT or MAN-TYPE."""
    root = parse_xml(path, "ANNOTATION_DOCUMENT", "ELAN")
    header = root.find("HEADER")
    units = "milliseconds" if header is None else header.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        reason = f"{path}: TIME_UNITS is {units[:40]!r}; expected milliseconds"
        raise Fault("MAN-FORMAT", reason, "save it again from a recent ELAN")
    slots = {
        slot.get("TIME_SLOT_ID", ""): _seconds(path, "TIME_VALUE", slot.get("TIME_VALUE"))
        for slot in root.iterfind("TIME_ORDER/TIME_SLOT")
    }
    elements = root.findall("TIER")
    known = Known(slots, {each.get("TIER_ID", ""): each for each in elements})
    for element in elements:
        _learn_times(element, known)
    shared = _shared_types(elements, known)
    return Annotations(
        tuple(_tier(element, known, shared) for element in elements),
        () if header is None else tuple(_media(path, header)),
    )


def _media(path: Path, header: Element) -> Iterator[Media]:
    """Yield the media, audio files before videos: a video is often stored elsewhere."""
    found = header.findall("MEDIA_DESCRIPTOR")
    for each in sorted(found, key=lambda each: not each.get("MIME_TYPE", "").startswith("audio")):
        names = (each.get("RELATIVE_MEDIA_URL"), each.get("MEDIA_URL"))
        origin_s = _seconds(path, "TIME_ORIGIN", each.get("TIME_ORIGIN")) or 0.0
        if any(names):
            yield Media(tuple(name for name in names if name), origin_s)
    if name := header.get("MEDIA_FILE"):  # before EAF 2.0
        yield Media((name,))


def _seconds(path: Path, name: str, milliseconds: str | None) -> float | None:
    if milliseconds is None:
        return None
    try:
        return int(milliseconds) / 1000
    except (ValueError, OverflowError):
        reason = f"{path}: {name} is {milliseconds[:40]!r}; expected milliseconds"
        raise Fault("MAN-TYPE", reason, "open it in ELAN and save it again") from None


def _learn_times(element: Element, known: Known) -> None:
    """Add the times of a tier's annotations, or the parents that have the times."""
    for parent, children in _by_parent(element.findall("ANNOTATION/REF_ANNOTATION")).items():
        for rank, each in enumerate(children):
            name = each.get("ANNOTATION_ID", "")
            known.parents[name], known.ranks[name] = parent, rank
    annotations = element.findall("ANNOTATION/ALIGNABLE_ANNOTATION")
    used = {slot for each in annotations for slot in _slots_of(each)}
    even = _interpolated({name: time_s for name, time_s in known.slots.items() if name in used})
    for each in annotations:
        start, end = _slots_of(each)
        is_even = known.slots.get(start) is None or known.slots.get(end) is None
        stretch = Stretch(even.get(start), even.get(end), is_even)
        known.aligned[each.get("ANNOTATION_ID", "")] = stretch


def _slots_of(annotation: Element) -> tuple[str, str]:
    return annotation.get("TIME_SLOT_REF1", ""), annotation.get("TIME_SLOT_REF2", "")


def _interpolated(slots: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return slots of a tier in order. Slots without a time are spread evenly between neighbours.

    ELAN shows them in the same way. A slot before the first time or after the last has no time.
    """
    names, times = list(slots), list(slots.values())
    set_ = [i for i, time_s in enumerate(times) if time_s is not None]
    for low, high in pairwise(set_):
        start_s, end_s = times[low] or 0.0, times[high] or 0.0
        for i in range(low + 1, high):
            times[i] = start_s + (end_s - start_s) * (i - low) / (high - low)
    return dict(zip(names, times, strict=True))


def _tier(element: Element, known: Known, shared: Collection[str]) -> Tier:
    name, type_ = element.get("TIER_ID", ""), element.get("LINGUISTIC_TYPE_REF", "")
    kind, speaker = named(name)
    upwards = _upwards(element, known)
    speaker = _participant(upwards) or speaker
    references = element.findall("ANNOTATION/REF_ANNOTATION")
    alignable = element.findall("ANNOTATION/ALIGNABLE_ANNOTATION")
    segments = [
        _segment(each, known.aligned[each.get("ANNOTATION_ID", "")], _value(each), speaker)
        for each in alignable
    ]
    for top, children in _by_top(references, known).items():
        text = joined_texts(value for each in children if (value := _value(each)))
        segments.append(_segment(children[0], known.aligned.get(top, Stretch()), text, speaker))
    return Tier(
        name,
        # ELAN gives its first type to all tiers if nobody made another, also to translations.
        kind if type_ in ("", "default", "default-lt", *shared) else type_,
        tuple(segments),
        type_,
        is_aligned=bool(alignable) or not references,
        parent=element.get("PARENT_REF") or None,
        depth=len(list(takewhile(_has_no_times, upwards))) if references else 0,
    )


def _shared_types(elements: Iterable[Element], known: Known) -> set[str]:
    """Return the types that several tiers without times have below one tier: these differ."""
    counts = Counter(
        (each.get("LINGUISTIC_TYPE_REF", ""), _upwards(each, known)[-1].get("TIER_ID"))
        for each in elements
        if each.find("ANNOTATION/REF_ANNOTATION") is not None
    )
    return {type_ for (type_, _), count in counts.items() if count > 1}


def _segment(annotation: Element, stretch: Stretch, text: str, speaker: str | None) -> Segment:
    place = annotation.get("ANNOTATION_ID", "")
    notes = ("SEG-EVEN",) if stretch.is_even else ()
    return Segment(place, stretch.start_s, stretch.end_s, text, speaker, notes)


def _upwards(element: Element, known: Known) -> list[Element]:
    """Return a tier and those above it, the nearest first."""
    found = [element]
    for _ in range(len(known.tiers)):
        above = known.tiers.get(found[-1].get("PARENT_REF", ""))
        if above is None:
            break
        found.append(above)
    return found


def _has_no_times(element: Element) -> bool:
    return element.find("ANNOTATION/ALIGNABLE_ANNOTATION") is None


def _participant(upwards: Iterable[Element]) -> str | None:
    """Return the PARTICIPANT of a tier, or that of the nearest tier above it."""
    return next((found for each in upwards if (found := each.get("PARTICIPANT", "").strip())), None)


def _by_top(references: Iterable[Element], known: Known) -> dict[str, list[Element]]:
    """Return the annotations below each annotation with times, in order.

    There is one, or several: the words of a phrase, or what refers to these words. They have no
    times of their own.
    """
    found = []
    for each in references:
        path = _path(each.get("ANNOTATION_REF", ""), known)
        names = (*path, each.get("ANNOTATION_ID", ""))
        found.append(([known.ranks.get(name, 0) for name in names], path[0], each))
    groups: dict[str, list[Element]] = {}
    for _, top, each in sorted(found, key=lambda item: item[0]):
        groups.setdefault(top, []).append(each)
    return groups


def _path(name: str, known: Known) -> list[str]:
    """Return the names of the annotations down to this one, from the nearest that has times."""
    found = [name]
    for _ in range(len(known.tiers)):
        if found[0] in known.aligned or found[0] not in known.parents:
            break
        found.insert(0, known.parents[found[0]])
    return found


def _by_parent(references: Iterable[Element]) -> dict[str, list[Element]]:
    """Return the annotations under each parent in order: one, or the words of a subdivision."""
    groups: dict[str, list[Element]] = {}
    for each in references:
        groups.setdefault(each.get("ANNOTATION_REF", ""), []).append(each)
    return {parent: _in_order(group) for parent, group in groups.items()}


def _in_order(group: list[Element]) -> list[Element]:
    """Return annotations in the order of their PREVIOUS_ANNOTATION, if these form a chain."""
    after = {each.get("PREVIOUS_ANNOTATION"): each for each in group}
    chain: list[Element] = []
    previous: str | None = None
    while (each := after.pop(previous, None)) is not None:
        chain.append(each)
        previous = each.get("ANNOTATION_ID")
    return chain if len(chain) == len(group) else group


def _value(annotation: Element) -> str:
    text = (annotation.findtext("ANNOTATION_VALUE") or "").strip()
    return "" if text in IGNORED else text
