"""Read a corpus of recordings with annotation files: the part that all formats share."""

import math
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, PrivateAttr

from mothertongue.data.annotations.media import Sound, Sounds
from mothertongue.data.annotations.segments import Annotations, Segment, joined
from mothertongue.data.annotations.text_files import check_encoding
from mothertongue.data.annotations.tiers import (
    Kinds,
    add_kinds,
    check_names,
    is_wanted,
    likeliest,
    told,
)
from mothertongue.data.audio.headers import EXTENSIONS
from mothertongue.data.audio_paths import linked_folder_remarks, require_utf8
from mothertongue.data.clip_checks import reject_row
from mothertongue.data.folders import walk
from mothertongue.data.sources.base import Rejection, Row, Source
from mothertongue.data.sources.columns import split_named
from mothertongue.data.text_cleaning import sentence_key
from mothertongue.errors import ConfigError, Fault

JOIN_OPTIONS = {"--join": "join_s", "--max-gap": "max_gap_s"}
TEXT_OPTIONS = {"--encoding": "encoding"}
TIER_OPTIONS = {"--tier": "tiers"}
GAP_S = 0.5
SHORT_S = 1.0
JOIN_THEM = (
    "most segments are under a second, such as single words; --join 15 makes clips of up to 15 s "
    "of neighbours"
)
ELSEWHERE = (
    "files that name a recording elsewhere, where one of its name or theirs in the corpus was taken"
)
SLOW = tuple(end for name in ("mp4", "webm", "aac", "amr") for end in EXTENSIONS[name])
CONVERT = (
    "recordings that are decoded from their start for each row, which is slow (convert them to WAV "
    "or FLAC)"
)
UNUSED = "recordings without annotations, left out"

Place = tuple[Path, str]
"""An annotation file, and the name of a recording that it is for."""


class AnnotationSource(Source):
    """One annotation file, or a folder with all its subfolders. A row is a segment of a recording.

    Recordings are not cut: rows point into them.
    """

    suffixes: ClassVar[tuple[str, ...]]
    """The ends of the names of its files, in lower case, the longest first."""
    begins: ClassVar[re.Pattern[str] | None] = None
    """The pattern of a file's first line, where names say little. Bytes that are no UTF-8 are
    surrogates."""
    passed_over: ClassVar[tuple[str, ...]] = ()
    """The names of folders with files that say again what others say."""
    options = JOIN_OPTIONS

    join_s: float = Field(0.0, ge=0, le=30)
    """Neighbouring segments of one speaker are joined up to this number of seconds; 0 joins
    none."""
    max_gap_s: float | None = Field(None, ge=0)
    """The longest pause, in seconds, over which segments are joined; by default 0.5."""
    tiers: tuple[str, ...] = ()
    """The tiers, or types of tiers, to take; by default the type with the most time and text."""
    encoding: str | None = None
    """The encoding of text files that are neither UTF-8 nor UTF-16."""

    _unused: list[str] = PrivateAttr(default_factory=list)

    @abstractmethod
    def read(self, file: Path) -> Annotations:
        """Return the content of a file. Raises Fault if it cannot be read."""

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize a path by names of files; if names say little, also by a file's beginning."""
        return next(cls._files(path), None) is not None

    @classmethod
    def stems(cls, path: Path) -> set[Path]:
        """Return the paths of the format's files, without their suffixes."""
        return {file.with_name(_stem(file, cls.suffixes)) for file in cls._files(path)}

    @classmethod
    def at(cls, path: Path, settings: Mapping[str, Any]) -> Self:
        """Return the source for a file or folder. Raises ConfigError for --max-gap without --join,
        and for an unknown encoding."""
        check_encoding(settings.get("encoding"))
        if "max_gap_s" in settings and not settings.get("join_s"):
            raise ConfigError("--max-gap has no effect without --join; give both, or leave it out")
        return cls(path=path, **settings)

    def rows(self) -> Iterator[Row | Rejection]:
        files = list(self._files(self.path))
        if not files:
            reason = f"{self.path}: no file that ends with {' or '.join(self.suffixes)}"
            raise Fault("MAN-FORMAT", reason, "check the path")
        for file in files:
            require_utf8(str(file))
        sounds, kinds = self._surveyed(files)
        wanted = self._wanted(kinds)
        splits = self._splits(files)
        counts: Counter[str] = Counter()
        num_short = num_rows = 0
        for file in files:
            try:
                parts = self._parts(file)
            except Fault as fault:
                yield Rejection(str(file), fault.code, fault.reason, fault.fix, {})
                continue
            for place, document in parts.items():
                for row in self._rows_of(place, document, wanted, sounds[place], counts):
                    num_rows += 1
                    num_short += isinstance(row, Row) and (row.duration_s or SHORT_S) < SHORT_S
                    yield replace(row, split=splits[file]) if isinstance(row, Row) else row
        self._remarks += [f"{what}: {number:,}" for what, number in counts.items() if number]
        self._remarks += [JOIN_THEM] * (2 * num_short > num_rows and not self.join_s)
        self._remarks += unused_remarks(self._unused, self.root)
        self._remarks += linked_folder_remarks(self.path)

    def survey(self) -> Kinds:
        """Return the kinds of tiers in all files that can be read."""
        kinds: Kinds = {}
        for _, document in self._readable([*self._files(self.path)]):
            add_kinds(kinds, document)
        return kinds

    @property
    def unused(self) -> set[Path]:
        """Return the recordings in the folder that no file is for, after `rows` ended."""
        return {self.root / name for name in self._unused}

    def _rows_of(
        self,
        place: Place,
        document: Annotations,
        wanted: Sequence[str],
        sound: Sound | Fault,
        counts: Counter[str],
    ) -> Iterator[Row | Rejection]:
        segments = [
            each for tier in document.tiers if is_wanted(tier, wanted) for each in tier.segments
        ]
        said = [each for each in segments if sentence_key(each.text)]
        counts.update(document.ignored)
        counts["segments without text, left out"] += len(segments) - len(said)
        counts["files with no text in the tiers that were taken"] += not said
        if isinstance(sound, Sound) and said:
            counts[ELSEWHERE] += sound.is_elsewhere
            counts[CONVERT] += sound.path.lower().endswith(SLOW)
        gap_s = GAP_S if self.max_gap_s is None else self.max_gap_s
        for each in joined(said, self.join_s, gap_s):
            yield self._row(place, each, sound)

    def _surveyed(self, files: Sequence[Path]) -> tuple[dict[Place, Sound | Fault], Kinds]:
        """Return the recording of each place, and the kinds of tiers in all of them.

        Raises Fault MAN-CONFLICT if two files have the same recording.
        """
        known = Sounds(self.root, is_whole=self.path.is_dir())
        found: dict[Place, Sound | Fault] = {}
        first: dict[str, Path] = {}
        kinds: Kinds = {}
        for (file, name), document in self._readable(files):
            add_kinds(kinds, document)
            try:
                sound = known.find(file, name, document.media)
            except Fault as fault:
                found[file, name] = fault
                continue
            found[file, name] = sound
            if (other := first.setdefault(sound.path, file)) != file:
                reason = f"{other} and {file} are both for the recording {sound.path}"
                raise Fault("MAN-CONFLICT", reason, "move one of them out of the folder")
        self._unused[:] = known.others(first) if self.path.is_dir() else ()
        return found, kinds

    def _row(self, place: Place, segment: Segment, sound: Sound | Fault) -> Row | Rejection:
        file, name = place
        row = Row(
            f"{file}:{segment.place}",
            audio=None if isinstance(sound, Fault) else sound.path,
            text=segment.text,
            speaker=segment.speaker,
            notes=segment.notes,
        )
        try:
            if isinstance(sound, Fault):
                raise sound
            start_s, duration_s = _times(segment, sound.origin_s)
        except Fault as fault:
            return reject_row(row, fault)
        end_s = round(start_s + duration_s, 3)
        id_ = (file.parent.relative_to(self.root) / f"{name}@{start_s}-{end_s}").as_posix()
        return replace(row, id=id_, start_s=start_s, duration_s=duration_s)

    def _wanted(self, kinds: Kinds) -> tuple[str, ...]:
        """Return the tiers to take, and add the tiers to choose from to the remarks."""
        check_names(self.tiers, kinds, str(self.path))
        likely = likeliest(kinds)
        wanted = self.tiers or (() if likely is None else (likely,))
        self._remarks[:] = told(kinds, wanted) if "--tier" in self.options else ()
        return wanted

    def _splits(self, files: Sequence[Path]) -> dict[Path, str | None]:
        """Return the split that each file's folders, or else its name, are called.

        None for all if a file has none, or all have the same.
        """
        found = {}
        for file in files:
            below = file.relative_to(self.root).parts[:-1]
            names = (*below, _stem(file, self.suffixes))
            found[file] = next(filter(split_named, names), None)
        splits = {name and split_named(name) for name in found.values()}
        return found if len(splits) > 1 and None not in splits else dict.fromkeys(files)

    def _parts(self, file: Path) -> dict[Place, Annotations]:
        """Return the annotations in a file. Raises Fault if it cannot be read."""
        found = self.read(file)
        stem = _stem(file, self.suffixes)
        return {(file, each.recording or stem): each for each in (found, *found.others)}

    def _readable(self, files: Sequence[Path]) -> Iterator[tuple[Place, Annotations]]:
        for file in files:
            with suppress(Fault):  # it is reported when its rows are read
                yield from self._parts(file).items()

    @classmethod
    def _files(cls, path: Path) -> Iterator[Path]:
        if not path.is_dir():
            if path.name.lower().endswith(cls.suffixes) and cls._claims(path):
                yield path
            return
        for folder, below, names in walk(path):
            below[:] = [name for name in below if name not in cls.passed_over]
            for name in names:
                file = Path(folder, name)
                if name.lower().endswith(cls.suffixes) and cls._claims(file):
                    yield file

    @classmethod
    def _claims(cls, file: Path) -> bool:
        """Return whether a file with one of the suffixes has this format."""
        if not file.is_file() or cls.begins is None:
            return file.is_file()
        try:
            with file.open("rb") as content:
                first = content.readline(1000).decode("utf-8-sig", "surrogateescape")
        except OSError:
            return False
        return cls.begins.match(first) is not None


def unused_remarks(names: Collection[str], root: Path) -> list[str]:
    """Return a remark on recordings below `root` that no annotation file is for, if any."""
    if not names:
        return []
    texts = [name for name in names if (root / name).with_suffix(".txt").is_file()]
    move = "; move those with a text beside them, such as {}, to a folder of their own to read them"
    told = f"{UNUSED}: {len(names):,}, such as {min(names)}"
    return [told + move.format(min(texts)) if texts else told]


def _stem(file: Path, suffixes: Sequence[str]) -> str:
    suffix = next(each for each in suffixes if file.name.lower().endswith(each))
    return file.name[: -len(suffix)]


def _times(segment: Segment, origin_s: float) -> tuple[float, float]:
    """Return start and duration in the recording, in seconds. Raises Fault MAN-SEGMENT."""
    start_s, end_s = segment.start_s, segment.end_s
    if start_s is None or end_s is None:
        reason = "no start or no end, and no neighbour to set them between"
        raise Fault("MAN-SEGMENT", reason, "align the segment with the sound, or remove it")
    if not 0 <= start_s + origin_s < end_s + origin_s < math.inf:
        reason = f"from {start_s + origin_s:g} s to {end_s + origin_s:g} s"
        fix = "mend the times in the program that made the file"
        raise Fault("MAN-SEGMENT", f"{reason}; expected a start before the end, from 0 on", fix)
    return round(start_s + origin_s, 3), round(end_s - start_s, 3)
