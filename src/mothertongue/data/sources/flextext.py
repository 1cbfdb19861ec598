"""Read FLEx's interlinear texts, .flextext, if ELAN or SayMore gave their phrases times.

A phrase has its times in milliseconds. It has its text as a whole or in words, in each writing
system.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

from mothertongue.data.annotations.segments import Annotations, Media, Segment, Tier, seconds_of
from mothertongue.data.annotations.xml_files import parse_xml
from mothertongue.data.scripts import joined_texts
from mothertongue.data.sources.annotation import JOIN_OPTIONS, TIER_OPTIONS, AnnotationSource
from mothertongue.errors import Fault

UNTIMED = "phrases without times, left out"
EXAMPLE = """<?xml version="1.0" encoding="utf-8"?>
<document version="2"><interlinear-text><paragraphs><paragraph><phrases>
  <phrase begin-time-offset="100" end-time-offset="900" speaker="Anna" media-file="m1">
    <item type="txt" lang="sw">habari</item><item type="gls" lang="en">hello</item>
  </phrase>
</phrases></paragraph></paragraphs>
<media-files offset-type="milliseconds"><media guid="m1" location="a.wav"/></media-files>
</interlinear-text></document>
"""


class FlexTextSource(AnnotationSource):
    """A tier is a writing system, such as `--tier sw-fonipa`. Glosses are not read."""

    examples = ({"a.flextext": EXAMPLE, "a.wav": ""},)
    suffixes = (".flextext",)
    options = JOIN_OPTIONS | TIER_OPTIONS
    precedence = 68

    kind: Literal["flextext"] = "flextext"

    def read(self, file: Path) -> Annotations:
        return read_flextext(file)


def read_flextext(path: Path) -> Annotations:
    """Return a tier for each writing system. Raises Fault MAN-FORMAT."""
    root = parse_xml(path, "document", "FLEx")
    phrases = list(root.iter("phrase"))
    timed = [each for each in phrases if each.get("begin-time-offset") is not None]
    if not timed:
        reason = f"{path}: none of {len(phrases)} phrases has a begin-time-offset"
        fix = "align it with its recording in ELAN or SayMore first, and take the .eaf"
        raise Fault("MAN-FORMAT", reason, fix)
    used = {each.get("media-file") for each in timed}
    media = [each for each in root.iter("media") if each.get("guid") in used]
    if len(media) > 1:
        reason = f"{path}: its texts have {len(media)} recordings; expected one a file"
        raise Fault("MAN-FORMAT", reason, "export each text by itself from FLEx")
    return Annotations(
        tuple(_tiers(timed)),
        tuple(Media((name,)) for each in media if (name := each.get("location"))),
        Counter({UNTIMED: len(phrases) - len(timed)}),
    )


def _tiers(phrases: list[Element]) -> Iterator[Tier]:
    segments: dict[str, list[Segment]] = {}
    for number, phrase in enumerate(phrases, start=1):
        start_s = seconds_of(phrase.get("begin-time-offset"))
        end_s = seconds_of(phrase.get("end-time-offset"))
        place, speaker = phrase.get("guid") or f"phrase {number}", phrase.get("speaker") or None
        for language, text in _texts(phrase).items():
            segment = Segment(place, start_s, end_s, text, speaker)
            segments.setdefault(language, []).append(segment)
    for language, found in segments.items():
        yield Tier(language, language, tuple(found))


def _texts(phrase: Element) -> dict[str, str]:
    """Return the text of a phrase by its writing system; if it is not whole, from its words."""
    whole = {each.get("lang", ""): each.text or "" for each in _items(phrase, "txt")}
    if any(whole.values()):
        return whole
    texts: dict[str, str] = {}
    for word in phrase.iterfind("words/word"):
        for each in word.iterfind("item"):
            if each.get("type") in ("txt", "punct") and each.text:
                language = each.get("lang", "")
                before = texts.get(language, "")
                is_apart = each.get("type") == "txt" or _opens(each.text)
                is_spaced = is_apart and before and not _opens(before[-1])
                parts = (before, each.text)
                texts[language] = joined_texts(parts) if is_spaced else "".join(parts)
    return texts or whole


def _opens(mark: str) -> bool:
    """Return whether a text begins with a bracket or a mark that stands before a word."""
    return mark[0] in "¿¡" or unicodedata.category(mark[0]) in ("Ps", "Pi")


def _items(element: Element, type_: str) -> Iterator[Element]:
    return (each for each in element.iterfind("item") if each.get("type") == type_)
