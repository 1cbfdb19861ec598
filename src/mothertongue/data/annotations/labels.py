"""Read and write Audacity's labels: lines of start, end (seconds) and text, with tabs between.

A line that begins with a backslash has the frequencies of the label above it.
https://manual.audacityteam.org/man/importing_and_exporting_labels.html
"""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from mothertongue.data.annotations.segments import Annotations, Segment, Tier
from mothertongue.data.annotations.text_files import read_text
from mothertongue.errors import Fault

TIME = r"(-?\d+(?:[.,]\d+)?)"  # a comma if the computer's language uses one
LABEL = re.compile(rf"{TIME}\t{TIME}(?:\t(.*))?")
POINTS = "labels at a point of time, which span no sound, left out"


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


def write_labels(segments: Iterable[Segment]) -> str:
    """Return the text of a file of labels. Every segment must have times."""
    return "".join(
        f"{each.start_s:.6f}\t{each.end_s:.6f}\t{' '.join(each.text.split())}\n"
        for each in segments
    )


def has_labels(path: Path) -> bool:
    """Return whether a text file begins with a label."""
    try:
        with path.open("rb") as file:
            first = file.readline(1000).decode("utf-8-sig", "replace")
    except OSError:
        return False
    return LABEL.fullmatch(first.rstrip("\r\n")) is not None
