"""Parse XML files of unknown origin as trees."""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from mothertongue.data.annotations.text_files import read_bytes
from mothertongue.errors import Fault

MAX_DEPTH = 64  # ELAN's files have a depth of 5


def parse_xml(path: Path, root_tag: str, program: str) -> Element:
    """Return the root element of an XML file, which must be a `root_tag`.

    A document type is ignored. One that declares anything is refused, because a few nested entities
    expand to gigabytes ("billion laughs"). Raises Fault MAN-FORMAT or MAN-LINE.
    """
    content = read_bytes(path)
    builder = TreeBuilder()
    parser = _parser(path, builder)
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if isinstance(error, Fault):
            raise
        fix = f"open it in {program} and save it again, or copy it again: it may be cut off"
        raise Fault("MAN-FORMAT", f"{path}: not well-formed XML: {error}", fix) from None
    root = builder.close()
    if root.tag != root_tag:
        reason = f"{path}: XML with the root <{root.tag[:40]}>; expected <{root_tag}>"
        raise Fault("MAN-FORMAT", reason, f"save it again from {program}")
    return root


def _parser(path: Path, builder: TreeBuilder) -> expat.XMLParserType:
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise _refused(path, f"elements in each other, over {MAX_DEPTH} deep")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def doctype(name: str, system: str | None, public: str | None, declares: bool) -> None:
        if declares:
            raise _refused(path, "a document type with declarations of its own")

    def skipped(name: str, is_parameter: bool) -> None:
        raise _refused(path, f"the entity &{name};, which only another file explains")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    handlers: dict[str, Any] = {
        "StartElementHandler": start,
        "EndElementHandler": end,
        "CharacterDataHandler": builder.data,
        "StartDoctypeDeclHandler": doctype,
        "SkippedEntityHandler": skipped,
    }
    for name, handler in handlers.items():
        setattr(parser, name, handler)
    return parser


def _refused(path: Path, what: str) -> Fault:
    fix = "remove it, or save the file again from the program that made it"
    return Fault("MAN-FORMAT", f"{path}: {what}; expected plain XML without it", fix)
