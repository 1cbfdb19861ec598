"""Check a document for what EAFv3.0.xsd (MPI, December 2016) demands of the elements that we write.

The schema itself has no license to be copied here. It is at
https://www.mpi.nl/tools/elan/EAFv3.0.xsd
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element

Check = Callable[[str], object]
LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
TEXT: Check = lambda value: True  # noqa: E731
NAME: Check = re.compile(r"[A-Za-z_][\w.-]*").fullmatch  # an ID or IDREF
URI: Check = re.compile(r"[^\s<>\"{}|\\^`]*").fullmatch
BOOLEAN: Check = re.compile("true|false|0|1").fullmatch
LONG: Check = re.compile(r"-?\d+").fullmatch
UNSIGNED: Check = lambda value: value.isdecimal() and int(value) < 2**32  # noqa: E731
DATE: Check = re.compile(r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?").fullmatch


class Kind(NamedTuple):
    """The attributes of an element and its children in order: `*` many, `?` one or none."""

    required: dict[str, Check]
    optional: dict[str, Check]
    children: str = ""


KINDS = {
    "ANNOTATION_DOCUMENT": Kind(
        {"DATE": DATE, "AUTHOR": TEXT, "VERSION": TEXT},
        {"FORMAT": TEXT, LOCATION: TEXT},
        "HEADER TIME_ORDER TIER* LINGUISTIC_TYPE* CONSTRAINT*",
    ),
    "HEADER": Kind(
        {},
        {"MEDIA_FILE": TEXT, "TIME_UNITS": re.compile("milliseconds").fullmatch},
        "MEDIA_DESCRIPTOR*",
    ),
    "MEDIA_DESCRIPTOR": Kind(
        {"MEDIA_URL": URI, "MIME_TYPE": TEXT},
        {"RELATIVE_MEDIA_URL": URI, "TIME_ORIGIN": LONG, "EXTRACTED_FROM": URI},
    ),
    "TIME_ORDER": Kind({}, {}, "TIME_SLOT*"),
    "TIME_SLOT": Kind({"TIME_SLOT_ID": NAME}, {"TIME_VALUE": UNSIGNED}),
    "TIER": Kind(
        {"TIER_ID": TEXT, "LINGUISTIC_TYPE_REF": TEXT},
        {"PARTICIPANT": TEXT, "ANNOTATOR": TEXT, "PARENT_REF": TEXT},
        "ANNOTATION*",
    ),
    "ANNOTATION": Kind({}, {}, "ALIGNABLE_ANNOTATION? REF_ANNOTATION?"),
    "ALIGNABLE_ANNOTATION": Kind(
        {"ANNOTATION_ID": NAME, "TIME_SLOT_REF1": NAME, "TIME_SLOT_REF2": NAME},
        {},
        "ANNOTATION_VALUE",
    ),
    "REF_ANNOTATION": Kind(
        {"ANNOTATION_ID": NAME, "ANNOTATION_REF": NAME},
        {"PREVIOUS_ANNOTATION": NAME},
        "ANNOTATION_VALUE",
    ),
    "ANNOTATION_VALUE": Kind({}, {}),
    "LINGUISTIC_TYPE": Kind(
        {"LINGUISTIC_TYPE_ID": TEXT},
        {"TIME_ALIGNABLE": BOOLEAN, "CONSTRAINTS": NAME, "GRAPHIC_REFERENCES": BOOLEAN},
    ),
    "CONSTRAINT": Kind({"STEREOTYPE": NAME}, {"DESCRIPTION": TEXT}),
}
IDS = ("TIME_SLOT_ID", "ANNOTATION_ID", "STEREOTYPE")
"""Attributes of the type ID: unique in the whole document."""
ID_REFERENCES = ("TIME_SLOT_REF1", "TIME_SLOT_REF2", "ANNOTATION_REF", "CONSTRAINTS")
KEYS = {
    "PARENT_REF": "TIER_ID",
    "LINGUISTIC_TYPE_REF": "LINGUISTIC_TYPE_ID",
    "TIME_SLOT_REF1": "TIME_SLOT_ID",
    "TIME_SLOT_REF2": "TIME_SLOT_ID",
}
"""Attributes that name another element, and the attribute that has the name there."""


def eaf_faults(root: Element) -> list[str]:
    """Return what is not as the schema demands, as text."""
    found = [fault for each in root.iter() for fault in _element_faults(each)]
    ids = [each.get(name) for name in IDS for each in root.iter() if each.get(name)]
    found += [f"{name} twice" for name in set(ids) if ids.count(name) > 1]
    for each in root.iter():
        found += [
            f"{name}={each.get(name)} is no id"
            for name in ID_REFERENCES
            if each.get(name) and each.get(name) not in ids
        ]
    for reference, key in KEYS.items():
        names = [each.get(key) for each in root.iter() if each.get(key)]
        found += [f"{key}={name} twice" for name in set(names) if names.count(name) > 1]
        used = {each.get(reference) for each in root.iter()} - {None}
        found += [f"{reference}={name} is no {key}" for name in used - {*names}]
    return found


def _element_faults(element: Element) -> Iterator[str]:
    kind = KINDS.get(element.tag)
    if kind is None:
        yield f"{element.tag}: unknown"
        return
    checks = kind.required | kind.optional
    yield from (f"{element.tag}: no {name}" for name in kind.required if name not in element.attrib)
    for name, value in element.attrib.items():
        if name not in checks:
            yield f"{element.tag}: unknown {name}"
        elif not checks[name](value):
            yield f"{element.tag}: {name}={value!r}"
    pattern = "".join(f"(?:<{each.rstrip('*?')}>){_count(each)}" for each in kind.children.split())
    children = "".join(f"<{child.tag}>" for child in element)
    if not re.fullmatch(pattern, children):
        yield f"{element.tag}: children {children}"
    if element.tag == "ANNOTATION" and len(element) != 1:
        yield "ANNOTATION: not one child"
    if element.tag != "ANNOTATION_VALUE" and (element.text or "").strip():
        yield f"{element.tag}: has text"


def _count(each: str) -> str:
    return each[-1] if each[-1] in "*?" else ""
