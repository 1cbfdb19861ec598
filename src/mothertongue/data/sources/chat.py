"""Read CHAT's .cha files, as CHILDES and TalkBank have them: a line a speaker, times at its end.

A line is `*CHI:<TAB>text`, and goes on in lines that begin with a tab. Its time stands between two
U+0015, in ms. https://talkbank.org/0info/manuals/CHAT.html
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from mothertongue.data.annotations.segments import Annotations, Media, Segment, Tier, seconds_of
from mothertongue.data.annotations.text_files import read_text
from mothertongue.data.sources.annotation import JOIN_OPTIONS, TEXT_OPTIONS, AnnotationSource
from mothertongue.errors import Fault

SPEECH = re.compile(r"\*([^:\s]+):\s*(.*)", re.DOTALL)
MEDIA = re.compile(r"@Media:\s*([^,]+)")
OTHER_BULLET = re.compile(r"\x15[^\x15]*\x15")  # of a picture or a text: %pic:"a.jpg"
BULLET = re.compile(r'\x15(?:%(?:snd|mov):"[^"]*"_)?(\d+)_(\d+)-?\x15')
UNHEARD = re.compile(r"(?<!\w)(?:xxx?|yyy?|www)(?!\w)")
UNHEARD_NOTE = "lines with words that nobody understood (xxx, yyy, www), left out"

CLEANED = (
    (re.compile(r"\[[^\]]*\]"), " "),  # comments, replacements, retracings: [= laughs], [//]
    (re.compile(r"[<>⌈⌉⌊⌋„‡↑↓↗↘→∞≈≋≡≠∙⁎♋⁇☺▁▔∆∇§Ϋ∬°]"), " "),
    (re.compile(r"\([\d:.]*\)"), " "),  # pauses: (.) (..) (2.5) (1:05.)
    # Not said: &=laughs, &{l=sings and its end, &*MOT:yes by another speaker, 0is.
    (re.compile(r"(?<!\S)(?:&=\S+|&[{}][nl]=\S+|&\*[A-Z0-9]{3}:\S+|0\S*)"), " "),
    (re.compile(r"(?<!\S)&[-~+]?"), ""),  # &-um, &+w, &~gaga: said
    (re.compile(r"(?<!\S)\+\S*"), " "),  # +... +/. +" : how a line ends or joins another
    (re.compile(r"@[\w:$&+*-]+"), ""),  # mama@f, hola@s:spa
    (re.compile(r"(?<=\w)[:^](?=\w|\s|$)|(?<!\S)[ˈˌ^:]|[ˈˌ()]"), ""),  # no:, (be)cause, stress
    (re.compile(r"(?<=\w)[_+](?=\w)"), " "),  # ice_cream
)

EXAMPLE = """@UTF8
@Begin
@Languages:\tswa
@Participants:\tCHI Anna Target_Child, MOT Mother
@Media:\ta, audio
*CHI:\thabari [= hello] . \x15100_900\x15
@End
"""


class ChatSource(AnnotationSource):
    """A row is a line of a speaker."""

    examples = ({"a.cha": EXAMPLE, "a.wav": ""},)
    suffixes = (".cha",)
    begins = re.compile("[\0\udcff\udcfe]*@")  # every file begins with a header, perhaps in UTF-16
    options = JOIN_OPTIONS | TEXT_OPTIONS
    precedence = 71

    kind: Literal["chat"] = "chat"

    def read(self, file: Path) -> Annotations:
        return read_cha(file, self.encoding)


def read_cha(path: Path, encoding: str | None = None) -> Annotations:
    """Return the lines of all speakers as one tier. Raises Fault MAN-FORMAT or MAN-ENCODING."""
    lines = list(_lines(read_text(path, encoding)))
    if not any(line.startswith("@Begin") for _, line in lines):
        fix = "check the file with CHAT's own program, CLAN"
        raise Fault("MAN-FORMAT", f"{path}: no @Begin; expected a CHAT file", fix)
    names: dict[str, str] = {}
    segments: list[Segment] = []
    media: tuple[Media, ...] = ()
    ignored: Counter[str] = Counter()
    for number, line in lines:
        if line.startswith("@Participants:"):
            names = _names(line)
        elif found := MEDIA.match(line):
            media = (Media((found[1].strip().strip('"'),)),)
        elif found := SPEECH.match(line):
            if UNHEARD.search(BULLET.sub(" ", found[2])):
                ignored[UNHEARD_NOTE] += 1
                continue
            segments.append(_segment(str(number), names.get(found[1], found[1]), found[2]))
    return Annotations((Tier("", "", tuple(segments)),), media, ignored)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line with those that continue it, and the number of the first."""
    first, whole = 0, ""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("\t"):
            whole += f" {line[1:]}"
            continue
        if whole:
            yield first, whole
        first, whole = number, line
    if whole:
        yield first, whole


def _names(line: str) -> dict[str, str]:
    """Return the name of each participant, or its code: `CHI Anna Target_Child, MOT Mother`."""
    found = {}
    for part in line.partition(":")[2].split(","):
        words = part.split()
        if words:
            # Of two words the second is the role, not a name.
            found[words[0]] = words[1] if len(words) > 2 else words[0]
    return found


def _segment(place: str, speaker: str, text: str) -> Segment:
    times = BULLET.findall(text)
    start_s, end_s = (seconds_of(times[0][0]), seconds_of(times[-1][1])) if times else (None, None)
    said = OTHER_BULLET.sub(" ", BULLET.sub(" ", text))
    return Segment(place, start_s, end_s, _plain(said), speaker)


def _plain(text: str) -> str:
    """Return what was said, without the codes around it."""
    for pattern, other in CLEANED:
        text = pattern.sub(other, text)
    return re.sub(r"\s+([.,!?;])", r"\1", " ".join(text.split())).strip(" ,;")
