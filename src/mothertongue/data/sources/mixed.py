"""Read a folder that holds several layouts, such as ELAN files beside subtitles."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field

from mothertongue.config import members
from mothertongue.data import sources
from mothertongue.data.annotations.text_files import check_encoding
from mothertongue.data.annotations.tiers import Kind, Kinds, check_names
from mothertongue.data.folders import shown
from mothertongue.data.sources.annotation import (
    JOIN_OPTIONS,
    TEXT_OPTIONS,
    TIER_OPTIONS,
    UNUSED,
    AnnotationSource,
    unused_remarks,
)
from mothertongue.data.sources.base import Rejection, Row, Source
from mothertongue.errors import Fault

EAF = """<?xml version="1.0"?><ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds"/>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="100"/>
<TIME_SLOT TIME_SLOT_ID="t2" TIME_VALUE="900"/></TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="u" TIER_ID="u"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1"
TIME_SLOT_REF1="t1" TIME_SLOT_REF2="t2"><ANNOTATION_VALUE>habari</ANNOTATION_VALUE>
</ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="u" TIME_ALIGNABLE="true"/></ANNOTATION_DOCUMENT>"""
SRT = "1\n00:00:00,100 --> 00:00:00,900\nasante\n"


class MixedSource(Source):
    """Annotations in several formats in one folder, or folders of several layouts side by side.

    Each part is read by its own source. If two parts have the same recording, the first one is
    taken: a program may have exported its annotations beside its own file.
    """

    examples = (
        {"a.eaf": EAF, "a.wav": "", "a.srt": SRT, "b.srt": SRT, "b.wav": ""},
        {
            "elan/a.eaf": EAF,
            "elan/a.wav": "",
            "table/metadata.csv": "file_name,text\nb.wav,habari\n",
            "table/b.wav": "",
        },
    )
    options = JOIN_OPTIONS | TEXT_OPTIONS | TIER_OPTIONS
    precedence = 5

    kind: Literal["mixed"] = "mixed"
    settings: dict[str, Any] = Field(default_factory=dict)
    """Fields of the parts that have them."""

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize a folder by two layouts at least in it."""
        return path.is_dir() and len(list(_parts(path))) > 1

    @classmethod
    def at(cls, path: Path, settings: Mapping[str, Any]) -> Self:
        """Return the source of a folder. Raises ConfigError for an unknown encoding."""
        check_encoding(settings.get("encoding"))
        return cls(path=path, settings=dict(settings))

    def rows(self) -> Iterator[Row | Rejection]:
        self._remarks.clear()
        taken: set[Path] = set()
        unused: set[Path] = set()
        parts = [(kind.at(path, self._settings_of(kind)), path) for kind, path in _parts(self.path)]
        tiers = _tiers_of([part for part, _ in parts], self.settings.get("tiers", ()), self.path)
        for (part, path), own in zip(parts, tiers, strict=True):
            name = f"{part.layout()} in {path.name}" if path != self.path else part.layout()
            if own == ():
                self._remarks.append(f"{name}: none of the tiers asked for, left out")
                continue
            part = part if own is None else part.model_copy(update={"tiers": own})
            mine: set[Path] = set()
            again: set[Path] = set()
            for row in part.rows():
                sound = _sound(row, part)
                if sound is not None and sound in taken:
                    again.add(sound)
                else:
                    mine |= set() if sound is None else {sound}
                    yield self._placed(row, part)
            taken |= mine
            # Another part may read what this one has no annotations for.
            told = (remark for remark in part.remarks if not remark.startswith(UNUSED))
            self._remarks += [f"{name}: {remark}" for remark in told]
            unused |= part.unused if isinstance(part, AnnotationSource) else set()
            self._remarks.append(f"{name}: {len(mine):,} recordings")
            if again:
                self._remarks.append(
                    f"{name}: recordings that another part has too, left out: {len(again):,}"
                )
        left = [each.relative_to(self.path).as_posix() for each in unused - taken]
        self._remarks += unused_remarks(left, self.path) if () not in tiers else []

    def _settings_of(self, kind: type[Source]) -> dict[str, Any]:
        fields = set(kind.options.values())
        return {name: value for name, value in self.settings.items() if name in fields}

    def _placed(self, row: Row | Rejection, part: Source) -> Row | Rejection:
        """Return a row whose sound is found from here, and whose id is unique here."""
        if isinstance(row, Rejection) or part.root == self.path:
            return row
        name = part.root.relative_to(self.path).as_posix()
        return replace(row, home=row.home or part.root, id=f"{name}/{row.id}" if row.id else None)


def _parts(folder: Path) -> Iterator[tuple[type[Source], Path]]:
    """Yield the layouts in a folder, each with its path, those with the lowest number first.

    Annotations of several formats may stand in the same folders. Other layouts have a folder each,
    below a folder that has none itself; if all of these have one layout, such as languages of a
    corpus, they are no mixture.
    """
    kinds = sorted(_others(), key=lambda kind: kind.precedence)
    here = [kind for kind in kinds if kind.recognizes(folder)]
    formats = [kind for kind in here if issubclass(kind, AnnotationSource)]
    if here and here[0] not in formats:
        yield here[0], folder
        return
    if formats:
        yield formats[0], folder
        yield from ((kind, folder) for kind in _adding(formats, folder))
    known = [
        (kind, below)
        for below in _folders(folder)
        for kind in _own_kinds(below, kinds, formats)[:1]
    ]
    if formats or len({kind for kind, _ in known}) > 1:
        yield from known


def _own_kinds(
    folder: Path, kinds: Sequence[type[Source]], formats: Sequence[type[AnnotationSource]]
) -> list[type[Source]]:
    """Return the layouts that read a folder by itself, beside folders with annotations.

    A folder that has annotations too is read with them, unless another layout precedes them. One
    with a table that names no clips, such as a list of speakers, is no part.
    """
    own = [kind for kind in kinds if kind.recognizes(folder)]
    before = [kind for kind in own if not formats or kind.precedence < formats[0].precedence]
    if before or any(kind in formats for kind in own):
        return before
    return [kind for kind in own if _names_clips(kind, folder)]


def _names_clips(kind: type[Source], folder: Path) -> bool:
    try:
        next(kind.at(folder, {}).rows(), None)
    except Fault as fault:
        return fault.code != "MAN-COLUMN"
    return True


def _adding(
    formats: Sequence[type[AnnotationSource]], folder: Path
) -> Iterator[type[AnnotationSource]]:
    """Yield the formats after the first with a file whose name no format before it has.

    Programs write other formats beside their own: `a.srt` or `a.en.srt` beside `a.eaf`.
    """
    known = {stem.name for stem in formats[0].stems(folder)}
    for kind in formats[1:]:
        names = {stem.name for stem in kind.stems(folder)}
        if any(name not in known and name.partition(".")[0] not in known for name in names):
            yield kind
        known |= names


def _tiers_of(
    parts: Sequence[Source], wanted: Sequence[str], folder: Path
) -> list[tuple[str, ...] | None]:
    """Return which of the wanted tiers each part has; None for a part that takes no such names.

    Raises ConfigError for a tier that no part has.
    """
    surveys = [_survey(part) if wanted else None for part in parts]
    kinds: Kinds = {}
    for survey in filter(None, surveys):
        for name, kind in survey.items():
            kinds.setdefault(name, Kind()).names.update(kind.names)
    check_names(wanted, kinds, str(folder))
    return [
        None
        if survey is None
        else tuple(x for x in wanted if any(x in kind.names for kind in survey.values()))
        for survey in surveys
    ]


def _survey(part: Source) -> Kinds | None:
    """Return the kinds of tiers of a part; None if it takes no names of tiers."""
    if isinstance(part, AnnotationSource) and "--tier" in part.options:
        return part.survey()
    return None


def _others() -> list[type[Source]]:
    kinds = members(Source, sources)  # type: ignore[type-abstract]
    return [kind for kind in kinds if kind is not MixedSource]


def _folders(folder: Path) -> list[Path]:
    try:
        names = shown(folder)
    except OSError as error:
        fix = "change its permissions"
        raise Fault("MAN-FORMAT", f"{folder}: {error.strerror}", fix) from None
    return [each for each in names if each.is_dir()]


def _sound(row: Row | Rejection, part: Source) -> Path | None:
    if isinstance(row, Rejection) or row.audio is None:
        return None
    return (row.home or part.root) / row.audio
