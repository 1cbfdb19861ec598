"""Find the recording of an annotation file in the corpus's folder, also if the path differs."""

import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from urllib.parse import unquote

from mothertongue.data.annotations.segments import Media
from mothertongue.data.audio.headers import SUFFIXES
from mothertongue.data.folders import walk
from mothertongue.errors import Fault


@dataclass(frozen=True, slots=True)
class Sound:
    """The recording of a file. `is_elsewhere`: the file names a different path.

    `path` starts in the corpus's folder; it is absolute if the recording is outside.
    """

    path: str
    origin_s: float = 0.0
    is_elsewhere: bool = False


class Sounds:
    """The recordings in a corpus's folder. Files outside it are not opened here."""

    def __init__(self, root: Path, is_whole: bool) -> None:
        """`is_whole`: the folder is the corpus, and it is searched with all its subfolders."""
        self._root = str(root)
        self._real_root = os.path.join(os.path.realpath(root), "")
        self._is_whole = is_whole
        self._folders: dict[str, dict[str, str]] = {}
        self._everywhere: dict[str, list[str]] | None = None

    def find(self, file: Path, stem: str, media: Sequence[Media]) -> Sound:
        """Return the recording of an annotation file. `stem`: its name without the suffix.

        The first one that exists is taken: a path that the file names, if it is in the corpus; a
        file of that name beside the annotation file, or the nearest one of that name in the corpus;
        then the same for the stem. If none exists, a named path outside the corpus is returned, if
        it exists. Raises Fault AUD-MISSING.
        """
        folder = str(file.parent)
        for each in media:
            paths = [*_paths(folder, each)]
            if found := next(filter(None, map(self._at, paths)), None):
                return self._sound(found, each.origin_s)
            if found := self._nearest(folder, map(os.path.basename, paths)):
                is_elsewhere = any(set("/\\") & set(name) for name in each.paths)
                return self._sound(found, each.origin_s, is_elsewhere)
        for names in _names(stem):
            if found := self._nearest(folder, names):
                origin_s = media[0].origin_s if media else 0.0
                return self._sound(found, origin_s, is_elsewhere=bool(media))
        for each in media:
            for path in _paths(folder, each):
                if os.path.isabs(path) and os.path.isfile(path):
                    return Sound(path, each.origin_s)
        raise _missing(file, stem, media)

    def others(self, used: Collection[str]) -> list[str]:
        """Return the paths of the recordings in the corpus that are not among those of `used`.

        A file is no other recording if only its suffix differs: a.mp4 has the picture of a.wav.
        """
        everywhere = (path for paths in self._index().values() for path in paths)
        stems = {os.path.splitext(path)[0] for path in used}
        found = {self._sound(path, 0.0).path for path in everywhere}
        return sorted(path for path in found if os.path.splitext(path)[0] not in stems)

    def _sound(self, path: str, origin_s: float, is_elsewhere: bool = False) -> Sound:
        return Sound(Path(os.path.relpath(path, self._root)).as_posix(), origin_s, is_elsewhere)

    def _nearest(self, folder: str, names: Iterable[str]) -> str | None:
        """Return the nearest recording with one of the names; of several in a folder, the first.

        Of folders that are as near, one in a mirrored tree is taken: wav/anna for eaf/anna. None if
        two are left.
        """
        names = [*dict.fromkeys(names)]
        if found := self._in(folder, names):
            return found
        paths = (path for name in names for path in self._index().get(_key(name), ()))
        ranks = {home: _rank(folder, home) for home in map(os.path.dirname, paths)}
        least = min(ranks.values(), default=None)
        best = [home for home, rank in ranks.items() if rank == least]
        return self._in(best[0], names) if len(best) == 1 else None

    def _in(self, folder: str, names: Iterable[str]) -> str | None:
        return next(filter(None, (self._at(os.path.join(folder, name)) for name in names)), None)

    def _at(self, path: str) -> str | None:
        """Return a regular file in the corpus, spelled as on the disk: cameras write .WAV."""
        folder, name = os.path.split(os.path.normpath(path))
        if not self._is_inside(folder) or not _is_utf8(path):
            return None
        if folder not in self._folders:
            self._folders[folder] = _listed(folder)
        names = self._folders[folder]
        found = names.get(name) or names.get(_key(name))
        whole = os.path.join(folder, found) if found else ""
        return whole if found and self._is_inside(whole) and os.path.isfile(whole) else None

    def _is_inside(self, path: str) -> bool:
        return os.path.join(os.path.realpath(path), "").startswith(self._real_root)

    def _index(self) -> dict[str, list[str]]:
        if self._everywhere is None:
            self._everywhere = {}
            for folder, _, names in walk(self._root) if self._is_whole else ():
                for name in names:
                    if name.lower().endswith(SUFFIXES) and (found := self._at(f"{folder}/{name}")):
                        self._everywhere.setdefault(_key(name), []).append(found)
        return self._everywhere


def _paths(folder: str, media: Media) -> Iterator[str]:
    """Yield the local audio paths that a name may mean, absolute, the written form first."""
    for name in media.paths:
        if name.startswith("file:"):
            name = "/" + name.removeprefix("file:").lstrip("/")
        elif "://" in name:
            name = name.rpartition("/")[2]
        for form in dict.fromkeys((name, unquote(name))):
            if "\0" not in form:
                form = form.replace("\\", "/")
                # CHAT and Transcriber name recordings without their suffixes.
                ends = ("",) if form.lower().endswith(SUFFIXES) else SUFFIXES
                yield from (os.path.join(folder, f"{form}{end}") for end in ends)


def _names(stem: str) -> Iterator[list[str]]:
    """Yield the names that a recording of this stem may have. A stem `a.sw` may also mean `a`."""
    for each in dict.fromkeys((stem, stem.rpartition(".")[0])):
        own = [each] if each.lower().endswith(SUFFIXES) else []
        yield own + [f"{each}{suffix}" for suffix in SUFFIXES if each]


def _rank(folder: str, home: str) -> tuple[int, int]:
    """Return how far two folders are from each other: the number of steps between them; then those
    with more equal names at the end of their paths are nearer."""
    here, there = folder.split(os.sep), home.split(os.sep)
    steps = len(here) + len(there) - 2 * _num_equal(here, there)
    return steps, -_num_equal(here[::-1], there[::-1])


def _num_equal(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many names are equal from the start on."""
    return len([*takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))])


def _listed(folder: str) -> dict[str, str]:
    """Return the names in a folder by themselves, and by their keys: a.wav is not A.wav."""
    try:
        names = sorted(os.listdir(folder), reverse=True)
    except OSError:
        return {}
    return {_key(name): name for name in names} | {name: name for name in names}


def _is_utf8(path: str) -> bool:
    return path.encode("utf-8", "ignore") == os.fsencode(path)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _missing(file: Path, stem: str, media: Sequence[Media]) -> Fault:
    named = [name[:200] for each in media for name in each.paths]
    said = f"it names {' and '.join(map(repr, named[:2]))}, and there is" if named else "there is"
    reason = f"{file}: no recording: {said} no sound called {stem} beside it"
    return Fault("AUD-MISSING", reason, f"put the recording beside it, such as {stem}.wav")
