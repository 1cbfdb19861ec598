"""Write tiers as ELAN's .eaf, EAF 3.0. https://www.mpi.nl/tools/elan/EAFv3.0.xsd"""

import mimetypes
import re
from collections.abc import Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from mothertongue.data.annotations.segments import Segment, Tier

SCHEMA = {
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
}
CONSTRAINTS = {
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps "
    "are allowed",
    "Symbolic_Association": "1-1 association with a parent annotation",
}
NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
Edge = tuple[str, int, int]  # the tier, the number of a segment in it, and 0 for start, 1 for end


def write_eaf(tiers: Sequence[Tier], date: datetime, audio: Path | None = None) -> str:
    """Return the text of an .eaf file of a recording.

    Each tier comes after its parent. Its segments are in order, have times, and are at least 1 ms
    long. The segments of a tier that is not aligned have the times of the parent's segments.
    """
    root = Element("ANNOTATION_DOCUMENT", SCHEMA)
    root.attrib |= {"AUTHOR": "", "DATE": date.isoformat(timespec="seconds")}
    root.attrib |= {"FORMAT": "3.0", "VERSION": "3.0"}
    header = SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    if audio is not None:
        mime = mimetypes.guess_type(audio.name)[0] or "audio/x-wav"
        SubElement(header, "MEDIA_DESCRIPTOR", MEDIA_URL=audio.absolute().as_uri(), MIME_TYPE=mime)
    slots = _add_slots(SubElement(root, "TIME_ORDER"), tiers)
    _add_tiers(root, tiers, slots)
    for tier in {tier.type or tier.kind: tier for tier in tiers}.values():
        _add_type(root, tier)
    for name, description in CONSTRAINTS.items():
        SubElement(root, "CONSTRAINT", STEREOTYPE=name, DESCRIPTION=description)
    indent(root, "    ")
    return tostring(root, "unicode", xml_declaration=False) + "\n"


def _add_slots(order: Element, tiers: Sequence[Tier]) -> dict[Edge, str]:
    """Add a time slot for each start and end, in the order of time, and return their ids."""
    edges = sorted(
        (_milliseconds(time_s), (tier.name, number, edge))
        for tier in tiers
        if tier.is_aligned
        for number, segment in enumerate(tier.segments)
        for edge, time_s in enumerate((segment.start_s, segment.end_s))
    )
    names: dict[Edge, str] = {}
    for number, (time_ms, edge) in enumerate(edges, start=1):
        names[edge] = f"ts{number}"
        SubElement(order, "TIME_SLOT", TIME_SLOT_ID=names[edge], TIME_VALUE=str(time_ms))
    return names


def _add_tiers(root: Element, tiers: Sequence[Tier], slots: dict[Edge, str]) -> None:
    numbers = count(1)
    known: dict[tuple[str | None, int, int], str] = {}
    for tier in tiers:
        element = SubElement(root, "TIER", LINGUISTIC_TYPE_REF=tier.type or tier.kind)
        element.set("TIER_ID", tier.name)
        if tier.parent:
            element.set("PARENT_REF", tier.parent)
        if speaker := next((each.speaker for each in tier.segments), None):
            element.set("PARTICIPANT", speaker)
        for number, segment in enumerate(tier.segments):
            name, times = f"a{next(numbers)}", _times(segment)
            known[(tier.name, *times)] = name
            attributes = {"ANNOTATION_ID": name}
            if tier.is_aligned:
                tag = "ALIGNABLE_ANNOTATION"
                for edge in (0, 1):
                    attributes[f"TIME_SLOT_REF{edge + 1}"] = slots[tier.name, number, edge]
            else:
                tag = "REF_ANNOTATION"
                attributes["ANNOTATION_REF"] = known[(tier.parent, *times)]
            annotation = SubElement(SubElement(element, "ANNOTATION"), tag, attributes)
            SubElement(annotation, "ANNOTATION_VALUE").text = NOT_IN_XML.sub("", segment.text)


def _add_type(root: Element, tier: Tier) -> None:
    element = SubElement(root, "LINGUISTIC_TYPE", LINGUISTIC_TYPE_ID=tier.type or tier.kind)
    element.set("TIME_ALIGNABLE", str(tier.is_aligned).lower())
    element.set("GRAPHIC_REFERENCES", "false")
    if tier.parent:
        element.set("CONSTRAINTS", "Included_In" if tier.is_aligned else "Symbolic_Association")


def _times(segment: Segment) -> tuple[int, int]:
    return _milliseconds(segment.start_s), _milliseconds(segment.end_s)


def _milliseconds(time_s: float | None) -> int:
    assert time_s is not None
    return round(1000 * time_s)
