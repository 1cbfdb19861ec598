"""Find the sounds that a table names by an id, or by a name without its folder."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mothertongue.data.audio.headers import SUFFIXES

SUFFIXES_ON_DISK = (*SUFFIXES, *map(str.upper, SUFFIXES))


class Places:
    """The places of a table's sounds. The place and the suffix of the last one are tried first.

    A place starts in the table's folder. In it, {id} is the id, {stem} the id without a suffix of
    audio, and {0} and {1} are its parts between - or _. `*/` at its beginning stands for each
    folder in the table's folder.
    """

    def __init__(self, root: Path, folder: str, places: Sequence[str]) -> None:
        self._root, self._folder = root, folder
        self._places = [each for place in places for each in _expanded(root / folder, place)]
        self._suffixes = [*SUFFIXES_ON_DISK]

    def path_of(self, name: str) -> str:
        """Return the path in the root of the sound with this id; if there is none, a likely one."""
        return self.find(name) or next(self._paths(self._places[0], name))[1]

    def find(self, name: str) -> str | None:
        """Return the path in the root of the sound with this id; None if there is none."""
        for place in [*self._places]:
            for suffix, path in self._paths(place, name):
                if os.path.isfile(os.path.join(self._root, path)):
                    _move_up(self._places, place)
                    _move_up(self._suffixes, suffix)
                    return path
        return None

    def _paths(self, place: str, name: str) -> Iterator[tuple[str, str]]:
        """Yield each suffix, and the path with it; an id that has one gets no other."""
        stem = name
        if name.lower().endswith(SUFFIXES):
            stem = name.rpartition(".")[0]
        path = place.format(*re.split("[-_]", name)[:2], "", "", id=name, stem=stem)
        suffixes = ("",) if path.lower().endswith(SUFFIXES) else (*self._suffixes,)
        yield from ((each, os.path.join(self._folder, f"{path}{each}")) for each in suffixes)


def _expanded(folder: Path, place: str) -> list[str]:
    if not place.startswith("*/"):
        return [place]
    names = sorted(next(os.walk(folder), ("", [], []))[1])
    escaped = (each.replace("{", "{{").replace("}", "}}") for each in names)
    return [f"{each}{place[1:]}" for each in escaped]


def _move_up(items: list[str], item: str) -> None:
    if item in items:
        items.remove(item)
        items.insert(0, item)
