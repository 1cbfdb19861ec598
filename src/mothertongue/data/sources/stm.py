"""Read NIST's segment time marks, .stm, as TED-LIUM and NIST's evaluations have them.

A line is `RECORDING CHANNEL SPEAKER BEGIN END <LABELS> TEXT`, in seconds; the labels may be
missing. https://github.com/usnistgov/SCTK/blob/master/doc/infmts.htm
"""

import math
import re
from collections import Counter
from pathlib import Path
from typing import Literal

from mothertongue.data.annotations.segments import Annotations, Media, Segment, Tier
from mothertongue.data.annotations.text_files import read_text
from mothertongue.data.sources.annotation import JOIN_OPTIONS, TEXT_OPTIONS, AnnotationSource
from mothertongue.errors import Fault

LINE = re.compile(r"(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)(?:\s+<[^<>]*>)?(?:\s+(.*))?")
COMMENT = ";;"
GAPS = frozenset({"inter_segment_gap", "excluded_region"})
NOT_SCORED = "ignore_time_segment_in_scoring"
LEFT_OUT = f"stretches that nobody transcribed ({NOT_SCORED}), left out"
SECOND = frozenset({"2", "b"})
# A speaker by number only, who is another one in each recording.
NUMBERED = re.compile(
    r"(?:s|spk|speaker|unknown|locuteur|locutor|hablante|falante|sprecher)?[-_]?\d*", re.IGNORECASE
)


class StmSource(AnnotationSource):
    """A row is a line. A file may be for several recordings."""

    examples = (
        {
            "train/stm/a.stm": ";; a comment\na 1 Anna 0.10 0.90 <o,f0,female> habari\n",
            "train/sph/a.wav": "",
            "test/stm/b.stm": "b 1 Ben 0.10 0.90 <o,f0,male> asante\n",
            "test/sph/b.wav": "",
        },
        {
            "all.stm": "a A Anna 0.1 0.9 habari\nb A Ben 0.1 0.9 asante\n",
            "sounds/a.wav": "",
            "sounds/b.wav": "",
        },
    )
    suffixes = (".stm",)
    options = JOIN_OPTIONS | TEXT_OPTIONS
    precedence = 72

    kind: Literal["stm"] = "stm"

    def read(self, file: Path) -> Annotations:
        return read_stm(file, self.encoding)


def read_stm(path: Path, encoding: str | None = None) -> Annotations:
    """Return the lines of each recording as one tier. Raises Fault MAN-FORMAT, MAN-ENCODING or
    MAN-CHANNEL."""
    segments: dict[str, list[Segment]] = {}
    channels: dict[str, set[str]] = {}
    ignored: Counter[str] = Counter()
    for number, line in enumerate(read_text(path, encoding).split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith(COMMENT):
            continue
        found = LINE.fullmatch(line.strip())
        if found is None:
            reason = f"{path}:{number}: {line[:40]!r}"
            expected = "expected RECORDING CHANNEL SPEAKER BEGIN END TEXT"
            raise Fault("MAN-FORMAT", f"{reason}; {expected}", "mend the line")
        name, channel, speaker, start, end, text = found.groups(default="")
        if speaker.lower() in GAPS or text.strip().lower() == NOT_SCORED:
            ignored[LEFT_OUT] += 1
            continue
        who = f"{name} {speaker}" if NUMBERED.fullmatch(speaker) else speaker
        each = Segment(str(number), _seconds(start), _seconds(end), text, who)
        segments.setdefault(name, []).append(each)
        channels.setdefault(name, set()).add(channel.lower())
    for name, used in channels.items():
        _require_one_channel(path, name, used)
    parts = [_of_recording(name, found, len(segments)) for name, found in segments.items()]
    first, *others = parts or [Annotations(())]
    return Annotations(first.tiers, first.media, ignored, first.recording, tuple(others))


def _of_recording(name: str, segments: list[Segment], num_recordings: int) -> Annotations:
    tiers = (Tier("", "", tuple(segments)),)
    recording = name if num_recordings > 1 else None
    return Annotations(tiers, (Media((name,)),), recording=recording)


def _require_one_channel(path: Path, name: str, channels: set[str]) -> None:
    """Raise Fault MAN-CHANNEL for a recording whose channels have texts of their own."""
    if len(channels) > 1 or channels & SECOND:
        shown = " and ".join(sorted(map(str.upper, channels)))
        reason = f"{path}: the recording {name} has texts for channel {shown}; expected one channel"
        fix = f"save each channel as a sound of its own, such as {name}-A, and name it in the lines"
        raise Fault("MAN-CHANNEL", reason, fix)


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
