"""Read subtitles, as broadcasters keep them: SubRip's .srt and WebVTT's .vtt.

A cue is a line `00:00:01,000 --> 00:00:03,500`, and lines of text up to the next blank line.
"""

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, takewhile
from pathlib import Path
from typing import Literal

from mothertongue.data.annotations.segments import Annotations, Segment, Tier
from mothertongue.data.annotations.text_files import read_text
from mothertongue.data.scripts import on_one_line
from mothertongue.data.sources.annotation import JOIN_OPTIONS, TEXT_OPTIONS, AnnotationSource
from mothertongue.errors import Fault

ARROW = "-->"
CLOCK = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[,.](\d{1,3}))?"
TIMES = re.compile(rf"\s*{CLOCK}\s*-->\s*{CLOCK}(?:\s.*)?")
MARKUP = re.compile(
    r"<r[tp]\b[^<>]*>[\s\S]*?(?=</?(?:r[tpb]|ruby)\b|\Z)"  # how the letters before it are read
    r"|</?(?:i|b|u|s|em|strong|font|span|c|v|lang|ruby|rt|rp|rb)\b[^<>]*>"  # tags of HTML, WebVTT
    r"|<(?:\d+:)?\d+:\d+\.\d+>"  # the time at which a word of a karaoke cue begins
    r"|\{\\[^{}]*\}|\{[YyCc]:[^{}]*\}",  # {\an8} of SubStation Alpha, {Y:i} of MicroDVD
    re.IGNORECASE,
)
BREAKS = re.compile(r"<br\s*/?>|\\[Nn]", re.IGNORECASE)
VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]+)>")
NO_CUE = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)\b")
STAMP = re.compile(r"<(?:\d+:)?\d+:\d+\.\d+>")
STRAY = "blocks of text without times, left out"


class SubtitlesSource(AnnotationSource):
    """A cue is a row. `news.sw.srt` is for `news.m4a`, if there is no `news.sw.m4a`."""

    examples = (
        {"a.srt": "1\n00:00:00,100 --> 00:00:00,900\nhabari\n", "a.wav": ""},
        {"a.sw.vtt": "WEBVTT\n\n00:00.100 --> 00:00.900\nhabari\n", "a.wav": ""},
    )
    suffixes = (".srt", ".vtt")
    options = JOIN_OPTIONS | TEXT_OPTIONS
    precedence = 64

    kind: Literal["subtitles"] = "subtitles"

    def read(self, file: Path) -> Annotations:
        return read_subtitles(file, self.encoding)


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue as written: the line number of its times in the file, that line, and its text."""

    number: int
    times: str
    lines: list[str]


def read_subtitles(path: Path, encoding: str | None = None) -> Annotations:
    """Return the cues of a file as one tier. Raises Fault MAN-FORMAT or MAN-ENCODING."""
    is_vtt = path.suffix.lower() == ".vtt"
    cues: list[Cue] = []
    ignored: Counter[str] = Counter()
    has_number = False  # at the end of the last cue: that of the next one, before a blank line
    for first, lines in _blocks(read_text(path, encoding), is_vtt):
        before = [*takewhile(lambda line: ARROW not in line, lines)]
        has_cue = len(before) < len(lines)
        if has_number and has_cue and not before:
            cues[-1].lines.pop()
        has_number = False
        stray = before[:-1] if has_cue else before  # the line above the times is the cue's name
        if stray and not (is_vtt and NO_CUE.match(stray[0])):
            if cues and not is_vtt:  # a blank line inside the text of a cue
                cues[-1].lines.extend(stray)
                has_number = not has_cue and stray[-1].strip().isdigit()
            else:
                ignored[STRAY] += 1
        cues += _cues(first + len(before), lines[len(before) :])
    if is_vtt and any(STAMP.search(line) for cue in cues for line in cue.lines):
        cues = [*_unrolled(cues)]
    if not cues:
        reason = f"{path}: no line such as 00:00:01,000 {ARROW} 00:00:03,500"
        raise Fault("MAN-FORMAT", reason, "export the subtitles again, as SubRip or WebVTT")
    return Annotations(
        (Tier("", "", tuple(_segment(cue, is_vtt) for cue in cues)),), ignored=ignored
    )


def _blocks(text: str, is_vtt: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield each block between blank lines: the number of its first line, and its lines.

    In WebVTT a line of spaces is text; YouTube begins cues with one.
    """
    numbered = enumerate(text.split("\n"), start=1)
    for is_blank, group in groupby(numbered, lambda item: _is_blank(item[1], is_vtt)):
        found = [*group]
        if not is_blank and any(line.strip() for _, line in found):
            yield found[0][0], [line for _, line in found]


def _is_blank(line: str, is_vtt: bool) -> bool:
    return not (line if is_vtt else line.strip())


def _cues(first: int, lines: Sequence[str]) -> list[Cue]:
    """Return the cues of lines; the first line has times. The blank line between cues may be
    missing."""
    cues: list[Cue] = []
    for number, line in enumerate(lines, start=first):
        if ARROW not in line:
            cues[-1].lines.extend([line] if line.strip() else [])
            continue
        if cues and cues[-1].lines and cues[-1].lines[-1].strip().isdigit():
            cues[-1].lines.pop()
        cues.append(Cue(number, line, []))
    return cues


def _unrolled(cues: Iterable[Cue]) -> Iterator[Cue]:
    """Yield the cues without the line that the cue before shows last, if something is left.

    Where YouTube recognized speech, the captions roll: a cue repeats a line above its own.
    """
    last = ""
    for cue in cues:
        shown = [MARKUP.sub("", line).strip() for line in cue.lines]
        lines = cue.lines[1:] if shown and shown[0] == last else cue.lines
        last = shown[-1] if shown else last
        if lines:
            yield replace(cue, lines=lines)


def _segment(cue: Cue, is_vtt: bool) -> Segment:
    lines = "\n".join(cue.lines)
    written = BREAKS.sub("\n", lines)
    text = MARKUP.sub("", written)
    notes = ("TXT-MARKUP",) if text != lines else ()
    voices = {html.unescape(name).strip() for name in VOICE.findall(written)} if is_vtt else set()
    found = TIMES.fullmatch(cue.times)
    start_s, end_s = (
        (_seconds(found.groups()[:4]), _seconds(found.groups()[4:])) if found else (None, None)
    )
    return Segment(
        str(cue.number),
        start_s,
        end_s,
        on_one_line(html.unescape(text) if is_vtt else text),
        voices.pop() if len(voices) == 1 else None,
        notes,
    )


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    whole = 3600 * int(hours or 0) + 60 * int(minutes or 0) + int(seconds or 0)
    return whole + float(f"0.{fraction or 0}")
