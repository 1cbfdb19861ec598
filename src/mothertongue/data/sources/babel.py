"""Read the transcripts of IARPA's Babel: a line `[12.345]`, and what is said from there on.

transcription/BABEL_..._inLine.txt is for audio/BABEL_..._inLine.wav, with the times in seconds.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Literal

from mothertongue.data.annotations.segments import Annotations, Segment, Tier
from mothertongue.data.annotations.text_files import read_text
from mothertongue.data.scripts import joined_texts
from mothertongue.data.sources.annotation import JOIN_OPTIONS, TEXT_OPTIONS, AnnotationSource
from mothertongue.errors import Fault

TIME = re.compile(r"\[(\d+(?:\.\d+)?)\]")
SPEAKER = re.compile(r"BABEL_[^_]+_\d+_(\d+)_")
TAG = re.compile(r"<[\w-]+>")
UNHEARD = re.compile(r"\(\(\s*\)\)|<(?:foreign|overlap|prompt)>")
MISSPOKEN = re.compile(r"\*(\S+?)\*")  # the word is written as it should be
CUT = re.compile(r"(?<!\S)~(?!\S)")  # the recording begins or ends within a word
TAGS_NOTE = "tags such as <no-speech> and <hes>, removed from the text"
UNHEARD_NOTE = "stretches with speech that is not written, such as (()) and <foreign>, left out"


class BabelSource(AnnotationSource):
    """A row is the stretch between two times."""

    examples = (
        {
            "transcription/BABEL_OP1_206_10901_20140516_225211_inLine.txt": "[0.0]\n<no-speech>\n"
            "[0.25]\nsawubona <hes>\n[0.9]\n",
            "audio/BABEL_OP1_206_10901_20140516_225211_inLine.wav": "",
        },
    )
    suffixes = (".txt",)
    begins = re.compile(rf"{TIME.pattern}\s*\Z")
    passed_over = ("transcript_roman",)  # the same in Latin letters
    options = JOIN_OPTIONS | TEXT_OPTIONS
    precedence = 67

    kind: Literal["babel"] = "babel"

    def read(self, file: Path) -> Annotations:
        return read_babel(file, self.encoding)


def read_babel(path: Path, encoding: str | None = None) -> Annotations:
    """Return the stretches of a file as one tier. Raises Fault MAN-FORMAT or MAN-ENCODING."""
    stretches: list[tuple[str, float, list[str]]] = []
    for number, line in enumerate(read_text(path, encoding).split("\n"), start=1):
        if found := TIME.fullmatch(line.strip()):
            stretches.append((str(number), float(found[1]), []))
        elif line.strip():
            if not stretches:
                reason = f"{path}:{number}: {line[:40]!r}; expected a time, such as [0.0]"
                raise Fault(
                    "MAN-FORMAT", reason, "write the time at which the text begins above it"
                )
            stretches[-1][2].append(line)
    named = SPEAKER.match(path.name)
    ends = [start_s for _, start_s, _ in stretches[1:]]
    ignored: Counter[str] = Counter()
    segments = []
    for (place, start_s, lines), end_s in zip(stretches, [*ends, None], strict=True):
        text = joined_texts(lines)
        if UNHEARD.search(text):
            ignored[UNHEARD_NOTE] += 1
        elif lines:
            said, num_tags = TAG.subn(" ", text)
            ignored[TAGS_NOTE] += num_tags
            said = " ".join(CUT.sub(" ", MISSPOKEN.sub(r"\1", said)).split())
            notes = ("TXT-UNTAGGED",) if num_tags else ()
            segments.append(Segment(place, start_s, end_s, said, named and named[1], notes))
    return Annotations((Tier("", "", tuple(segments)),), ignored=ignored)
