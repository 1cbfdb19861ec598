"""Read Transcriber's .trs, as older archives have them.

It has turns of speakers, cut by <Sync time="..."/>, with times in seconds.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

from mothertongue.data.annotations.segments import Annotations, Media, Segment, Tier
from mothertongue.data.annotations.xml_files import parse_xml
from mothertongue.data.sources.annotation import JOIN_OPTIONS, AnnotationSource

EXAMPLE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE Trans SYSTEM "trans-14.dtd">
<Trans audio_filename="a"><Speakers><Speaker id="spk1" name="Anna"/></Speakers>
<Episode><Section type="report" startTime="0" endTime="1">
<Turn startTime="0.1" endTime="0.9" speaker="spk1"><Sync time="0.1"/>habari</Turn>
</Section></Episode></Trans>
"""


class TranscriberSource(AnnotationSource):
    """A row is the stretch between two syncs."""

    examples = ({"a.trs": EXAMPLE, "a.wav": ""},)
    suffixes = (".trs",)
    options = JOIN_OPTIONS
    precedence = 70

    kind: Literal["transcriber"] = "transcriber"

    def read(self, file: Path) -> Annotations:
        return read_trs(file)


def read_trs(path: Path) -> Annotations:
    """Return the stretches between syncs as one tier. Raises Fault MAN-FORMAT."""
    root = parse_xml(path, "Trans", "Transcriber")
    speakers = {
        each.get("id", ""): name
        for each in root.iter("Speaker")
        if (name := each.get("name")) and each.get("scope") != "local"
    }
    turns = root.iter("Turn")
    segments = [each for turn in turns for each in _segments(turn, speakers, path.stem)]
    name = root.get("audio_filename")
    media = (Media((name,)),) if name else ()
    return Annotations((Tier("", "", tuple(segments)),), media)


def _segments(turn: Element, speakers: Mapping[str, str], stem: str) -> Iterator[Segment]:
    """Yield the stretches of a turn. If several speakers talk together, the stretch has no
    speaker. A speaker without a name, or whose name counts in this file only (`scope="local"`), is
    named by the file and the id."""
    ids = turn.get("speaker", "").split()
    speaker = speakers.get(ids[0], f"{stem} {ids[0]}") if len(ids) == 1 else None
    end_s = _seconds(turn.get("endTime"))
    stretches: list[tuple[float | None, str]] = [(_seconds(turn.get("startTime")), turn.text or "")]
    for each in turn:
        text = each.tail or ""
        if each.tag == "Sync":
            stretches.append((_seconds(each.get("time")), text))
        else:  # an event such as a cough, a comment, or the number of the speaker among several
            start_s, before = stretches[-1]
            stretches[-1] = (start_s, f"{before} {text}")
    ends = [start_s for start_s, _ in stretches[1:]] + [end_s]
    for (start_s, text), stop_s in zip(stretches, ends, strict=True):
        if start_s != stop_s or text.strip():  # the first sync is at the start of its turn
            yield Segment(f"{start_s} s", start_s, stop_s, text, speaker)


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
