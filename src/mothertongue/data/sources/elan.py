"""Read ELAN's .eaf files (EAF 2 and 3), as linguists and archives keep them.

Times are milliseconds in TIME_SLOTs, and annotations refer to these. Tiers depend on each other: an
ALIGNABLE_ANNOTATION has times, a REF_ANNOTATION has the times of its parent.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

from mothertongue.data.annotations.segments import Annotations, Media, Segment, Tier, named
from mothertongue.data.annotations.xml_files import parse_xml
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
    return Annotations(
        tuple(_tier(element, known) for element in elements),
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
    for each in element.iterfind("ANNOTATION/REF_ANNOTATION"):
        known.parents[each.get("ANNOTATION_ID", "")] = each.get("ANNOTATION_REF", "")
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


def _tier(element: Element, known: Known) -> Tier:
    name, type_ = element.get("TIER_ID", ""), element.get("LINGUISTIC_TYPE_REF", "")
    kind, speaker = named(name)
    speaker = _participant(element, known) or speaker
    references = element.findall("ANNOTATION/REF_ANNOTATION")
    alignable = element.findall("ANNOTATION/ALIGNABLE_ANNOTATION")
    segments = [
        _segment(each, known.aligned[each.get("ANNOTATION_ID", "")], _value(each), speaker)
        for each in alignable
    ]
    for parent, children in _by_parent(references).items():
        text = " ".join(value for each in children if (value := _value(each)))
        segments.append(_segment(children[0], _stretch(parent, known), text, speaker))
    return Tier(
        name,
        # ELAN gives its first type to all tiers if nobody made another, also to translations.
        kind if type_ in ("", "default", "default-lt") else type_,
        tuple(segments),
        type_,
        is_aligned=bool(alignable) or not references,
        parent=element.get("PARENT_REF") or None,
    )


def _segment(annotation: Element, stretch: Stretch, text: str, speaker: str | None) -> Segment:
    place = annotation.get("ANNOTATION_ID", "")
    notes = ("SEG-EVEN",) if stretch.is_even else ()
    return Segment(place, stretch.start_s, stretch.end_s, text, speaker, notes)


def _participant(element: Element, known: Known) -> str | None:
    """Return the PARTICIPANT of a tier, or that of the nearest tier above it."""
    for _ in range(len(known.tiers)):
        if speaker := element.get("PARTICIPANT", "").strip():
            return speaker
        above = known.tiers.get(element.get("PARENT_REF", ""))
        if above is None:
            return None
        element = above
    return None


def _stretch(name: str, known: Known) -> Stretch:
    """Return the times of the nearest annotation above that has times."""
    for _ in range(len(known.tiers)):
        if name in known.aligned:
            return known.aligned[name]
        name = known.parents.get(name, "")
    return Stretch()


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
    return (annotation.findtext("ANNOTATION_VALUE") or "").strip()
