"""Read Praat's TextGrid, long and short, as Praat does; also that of the Montreal Forced Aligner.

Only strings in quotes, flags such as <exists> and numbers between blanks count. All other words are
explanations. So the long form, the short form and ELAN's `item[1]` are read in the same way.
https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mothertongue.data.annotations.segments import Annotations, Segment, Tier, named
from mothertongue.data.annotations.text_files import read_text
from mothertongue.data.sources.annotation import (
    JOIN_OPTIONS,
    TEXT_OPTIONS,
    TIER_OPTIONS,
    AnnotationSource,
)
from mothertongue.errors import Fault

# The alternatives: a comment, a string whose quotes are doubled, a word.
TOKEN = re.compile(r'![^\n]*|"(?P<string>[^"]*+(?:""[^"]*+)*+)"|(?P<word>[^\s"]+)|(?P<open>")')
NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
POINTS = "point tiers, which span no sound, left out"
SILENCE = frozenset({"sil", "sp", "<sil>", "<eps>", "<p:>", "#"})
"""The texts of intervals in which nothing is said, by HTK, MFA, WebMAUS and users of Praat."""
SAVE = "open it in Praat and save it again: Save as text file"
EXAMPLE = """File type = "ooTextFile"
Object class = "TextGrid"

0
1
<exists>
1
"IntervalTier"
"words"
0
1
1
0
1
"habari"
"""


class TextGridSource(AnnotationSource):
    """Tiers have names and no types. If --tier names several, these are the speakers."""

    examples = ({"a.TextGrid": EXAMPLE, "a.wav": ""}, {"b/a.textgrid": EXAMPLE, "wav/a.wav": ""})
    suffixes = (".textgrid",)
    options = JOIN_OPTIONS | TIER_OPTIONS | TEXT_OPTIONS
    precedence = 62

    kind: Literal["textgrid"] = "textgrid"

    def read(self, file: Path) -> Annotations:
        found = read_textgrid(file, self.encoding)
        if len(self.tiers) < 2:
            return found
        return replace(found, tiers=tuple(map(_with_speaker, found.tiers)))


def _with_speaker(tier: Tier) -> Tier:
    segments = (replace(each, speaker=each.speaker or tier.name) for each in tier.segments)
    return replace(tier, segments=tuple(segments))


def read_textgrid(path: Path, encoding: str | None = None) -> Annotations:
    """Return the interval tiers. Raises Fault MAN-FORMAT or MAN-ENCODING."""
    values = _Values(path, read_text(path, encoding))
    kind, class_ = values.string(), values.string()
    if not kind.startswith("ooTextFile") or class_ != "TextGrid":
        reason = f"{path}: begins with {kind[:40]!r} and {class_[:40]!r}"
        raise Fault("MAN-FORMAT", f"{reason}; expected 'ooTextFile' and 'TextGrid'", SAVE)
    values.numbers(2)
    if values.flag() != "<exists>":
        return Annotations(())
    tiers: list[Tier] = []
    ignored: Counter[str] = Counter()
    for _ in range(int(*values.numbers(1))):
        class_, name = values.string(), values.string()
        _, _, size = values.numbers(3)
        if class_ == "IntervalTier":
            tiers.append(_interval_tier(name, int(size), values))
        else:
            ignored[POINTS] += 1
            for _ in range(int(size)):
                values.numbers(1)
                values.string()
    return Annotations(tuple(tiers), ignored=ignored)


def _interval_tier(name: str, size: int, values: "_Values") -> Tier:
    kind, speaker = named(name)
    segments = []
    for number in range(1, size + 1):
        start_s, end_s = values.numbers(2)
        text = values.string()
        text = "" if text.strip().lower() in SILENCE else text
        segments.append(Segment(f"{name}[{number}]", start_s, end_s, text, speaker))
    return Tier(name, kind, tuple(segments))


class _Values:
    """The values of a file, read one after the other."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._text = path, text
        self._found: Iterator[re.Match[str]] = (
            each for each in TOKEN.finditer(text) if each.lastgroup and not _is_comment(each)
        )

    def string(self) -> str:
        """Return the next value, which must be a string."""
        found = self._next("a text in quotes")
        if found["string"] is None:
            raise self._fault(found, "a text in quotes")
        return found["string"].replace('""', '"')

    def numbers(self, count: int) -> list[float]:
        """Return the next values, which must be numbers."""
        expected = "a number"
        found = [self._next(expected) for _ in range(count)]
        for each in found:
            word = each["word"] or "<"
            if word.startswith("<") or not math.isfinite(float(word)):
                raise self._fault(each, expected)
        return [float(each["word"]) for each in found]

    def flag(self) -> str:
        """Return the next value, which must be a flag."""
        found = self._next("<exists>")
        if found["string"] is not None:
            raise self._fault(found, "<exists>")
        return found["word"]

    def _next(self, expected: str) -> re.Match[str]:
        for found in self._found:
            if found["open"]:
                raise self._fault(found, "a closing quote")
            return found
        reason = f"{self._path}: ends where {expected} is due; it was cut off"
        raise Fault("MAN-FORMAT", reason, f"copy it again, or {SAVE}")

    def _fault(self, found: re.Match[str], expected: str) -> Fault:
        line = self._text.count("\n", 0, found.start()) + 1
        reason = f"{self._path}:{line}: {found[0][:40]!r}; expected {expected}"
        return Fault("MAN-FORMAT", reason, SAVE)


def _is_comment(found: re.Match[str]) -> bool:
    """Return whether a token is a word that is neither a number nor a flag."""
    word = found["word"]
    return word is not None and not (word.startswith("<") or NUMBER.fullmatch(word))
