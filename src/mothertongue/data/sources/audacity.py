"""Read labels that Audacity exported as text: lines of start, end (seconds) and text, tabs between.

A line that begins with a backslash has the frequencies of the label above it.
https://manual.audacityteam.org/man/importing_and_exporting_labels.html
"""

import re
from collections import Counter
from pathlib import Path
from typing import Literal

from mothertongue.data.annotations.segments import Annotations, Segment, Tier
from mothertongue.data.annotations.text_files import read_text
from mothertongue.data.sources.annotation import JOIN_OPTIONS, TEXT_OPTIONS, AnnotationSource
from mothertongue.errors import Fault

TIME = r"(-?\d+(?:[.,]\d+)?)"  # a comma if the computer's language uses one
LABEL = re.compile(rf"{TIME}\t{TIME}(?:\t(.*))?")
POINTS = "labels at a point of time, which span no sound, left out"


class AudacitySource(AnnotationSource):
    """`a.txt` holds the labels of `a.wav`."""

    examples = ({"a.txt": "0.100000\t0.900000\thabari\n", "a.wav": "", "notes.txt": "Of 2024.\n"},)
    suffixes = (".txt",)
    begins = re.compile(rf"{LABEL.pattern}[\r\n]*\Z")
    options = JOIN_OPTIONS | TEXT_OPTIONS
    precedence = 66

    kind: Literal["audacity"] = "audacity"

    def read(self, file: Path) -> Annotations:
        return read_labels(file, self.encoding)


def read_labels(path: Path, encoding: str | None = None) -> Annotations:
    """Return the labels of a file as one tier. Raises Fault MAN-FORMAT or MAN-ENCODING."""
    segments: list[Segment] = []
    ignored: Counter[str] = Counter()
    for number, line in enumerate(read_text(path, encoding).split("\n"), start=1):
        if not line.strip() or line.startswith("\\"):
            continue
        found = LABEL.fullmatch(line)
        if found is None:
            reason = f"{path}:{number}: {line[:40]!r}; expected START<TAB>END<TAB>TEXT, in seconds"
            raise Fault("MAN-FORMAT", reason, "export the labels again from Audacity")
        start_s, end_s = (float(time.replace(",", ".")) for time in found.groups()[:2])
        if start_s == end_s:
            ignored[POINTS] += 1
        else:
            segments.append(Segment(str(number), start_s, end_s, found[3] or ""))
    return Annotations((Tier("", "", tuple(segments)),), ignored=ignored)
