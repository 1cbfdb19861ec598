"""Break the text of a subtitle into lines as wide as a screen has room for. No torch.

A column has one letter with its marks. East Asian wide letters take two (Unicode, UAX #11).
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from mothertongue.decoding.word_timestamps import CLUSTER

MAX_LINE = 42
"""The widest line in columns: what broadcasters show, 21 Chinese characters."""
LEADING_VOWELS = "เแโใไເແໂໃໄ"  # Thai's and Lao's, which are written before their consonant


def broken(text: str) -> list[str]:
    """Return the fewest lines of at most MAX_LINE columns, about equally wide.

    They break at spaces; between letters only inside words that are wider than a line.
    """
    parts = [part for i, word in enumerate(text.split()) for part in _parts(word, " " * (i > 0))]
    count = len(_filled(parts, MAX_LINE))
    limits = range(_columns(text) // max(count, 1), MAX_LINE)
    found = (_filled(parts, limit) for limit in limits)
    return next((lines for lines in found if len(lines) == count), _filled(parts, MAX_LINE))


def _filled(parts: Iterable[tuple[str, int]], limit: int) -> list[str]:
    """Return lines of parts, each as long as the limit lets it be."""
    lines: list[str] = []
    width = limit
    for part, columns in parts:
        if width + columns > limit:
            lines.append("")
            width, part, columns = 0, part.lstrip(), columns - part.startswith(" ")
        lines[-1] += part
        width += columns
    return lines


def _parts(word: str, before: str) -> Iterator[tuple[str, int]]:
    """Yield the parts of a word that stay whole, after what stands before it, and their columns."""
    letters: list[str] = CLUSTER.findall(word)
    parts = [word] if _columns(word) <= MAX_LINE else _glued(letters)
    if any(_columns(part) > MAX_LINE for part in parts):
        parts = letters
    for part in parts:
        yield before + part, len(before) + _columns(part)
        before = ""


def _glued(letters: Sequence[str]) -> list[str]:
    """Join letters between which no line should end."""
    parts = [*letters[:1]]
    for before, after in pairwise(letters):
        if _belong(before, after):
            parts[-1] += after
        else:
            parts.append(after)
    return parts


def _belong(before: str, after: str) -> bool:
    """Return whether no line should end here: before a full stop, or inside an English name."""
    kinds = unicodedata.category(before[-1]), unicodedata.category(after[0])
    is_inside = (before + after).isascii() and before.isalnum() and after.isalnum()
    waits = before in LEADING_VOWELS or kinds[0] in ("Ps", "Pi")
    return is_inside or waits or kinds[1] in ("Pe", "Pf", "Po")


def _columns(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(x[0]) in "WF") for x in CLUSTER.findall(text))
