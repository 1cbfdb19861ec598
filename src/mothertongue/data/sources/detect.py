"""Detect the layout that a path holds: every source looks at it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from mothertongue import config
from mothertongue.data import sources
from mothertongue.data.audio.headers import SUFFIXES as SOUNDS
from mothertongue.data.folders import shown
from mothertongue.data.hub import PREFIX, download
from mothertongue.data.sources.annotation import AnnotationSource
from mothertongue.data.sources.archives import archives_in, is_archive, unpack_command
from mothertongue.data.sources.base import Source
from mothertongue.data.sources.fleurs import TextField
from mothertongue.data.sources.mixed import MixedSource
from mothertongue.errors import ConfigError, Fault

NUM_LISTED = 12
MAX_DEPTH = 3
OTHERS = (
    "{2} files for the same names, such as {1}, not read: {0:,}; --source {2} reads them instead"
)


class ReadingOptions(config.Config):
    """How to read a corpus, as a user says it: the options of `prepare` by the same names.

    A source takes those of its `options`.
    """

    layout: str | None = None
    """The layout to take if several recognize the path; the option --source."""
    audio_column: str | None = None
    text_column: str | None = None
    text_field: TextField | None = None
    audio_root: Path | None = None
    validated: bool = False
    tier: tuple[str, ...] = ()
    join: float | None = Field(None, ge=0, le=30)
    max_gap: float | None = Field(None, ge=0)
    encoding: str | None = None

    def given(self) -> dict[str, object]:
        """Return the values of the options that only some layouts take, by their names."""
        values = self.model_dump(exclude_defaults=True, exclude={"layout"})
        return {f"--{name.replace('_', '-')}": value for name, value in values.items()}


def detect(path: Path, options: ReadingOptions | None = None) -> Source:
    """Return the Source that reads `path`, with the options that the user gave.

    A path `hub:OWNER/NAME` is downloaded first. Raises Fault MAN-FORMAT with what was seen if no
    layout recognizes it, and ConfigError if the layout is unknown, an option has no effect on what
    was found, or the folder of the audio is none.
    """
    options = options or ReadingOptions()
    if str(path).startswith(PREFIX):
        path = download(str(path))
    known = config.members(Source, sources)  # type: ignore[type-abstract]
    kinds = sorted(known, key=lambda kind: kind.precedence)
    names = sorted(kind.layout() for kind in kinds)
    layout = options.layout
    if layout is not None:
        if layout not in names:
            raise ConfigError(f"--source {layout!r}: no such layout; expected {', '.join(names)}")
        kinds = [kind for kind in kinds if kind.layout() == layout]
    place, found = _located(path, kinds)
    if found is None:
        expected = f"one of these layouts: {', '.join(names)}" if layout is None else layout
        raise Fault("MAN-FORMAT", f"{path}: {_seen(path)}; expected {expected}", _advice(path))
    given = options.given()
    if useless := sorted(given.keys() - found.options.keys()):
        raise _without_effect(path, useless[0], found, known)
    if options.audio_root is not None and not options.audio_root.is_dir():
        raise ConfigError(f"--audio-root {options.audio_root}: no such folder; check the path")
    source = found.at(place, {found.options[name]: value for name, value in given.items()})
    source.tell(_remarks(path, place, found, kinds))
    return source


def _located(path: Path, kinds: Sequence[type[Source]]) -> tuple[Path, type[Source] | None]:
    """Return where a corpus is, and its layout: the path, or the only folder in it.

    An archive often unpacks to a folder in a folder. The inner one is taken if its layout precedes
    that of the outer one. A mixture does not: the outer layout knows what its parts are.
    """
    place, found = path, _recognizer(path, kinds)
    folder = _only_folder(path, kinds)
    for _ in range(MAX_DEPTH):
        if folder is None:
            break
        inner = _recognizer(folder, kinds)
        if inner and (
            found is None or found.precedence > inner.precedence > MixedSource.precedence
        ):
            place, found = folder, inner
        folder = _only_folder(folder, kinds)
    return place, found


def _recognizer(path: Path, kinds: Sequence[type[Source]]) -> type[Source] | None:
    return next((kind for kind in kinds if kind.recognizes(path)), None)


def _only_folder(path: Path, kinds: Sequence[type[Source]]) -> Path | None:
    """Return the only folder in a folder, if beside it are at most a few files without data."""
    if not path.is_dir() or path.is_symlink():
        return None
    entries = shown(path)
    folders = [each for each in entries if each.is_dir()] if len(entries) <= NUM_LISTED else []
    if len(folders) != 1 or folders[0].is_symlink():
        return None
    is_data = any(_is_data(each, kinds) for each in entries if each != folders[0])
    return None if is_data else folders[0]


def _is_data(file: Path, kinds: Sequence[type[Source]]) -> bool:
    """Return whether a file may be a part of a corpus, also one that cannot be read."""
    try:
        return file.suffix.lower() in SOUNDS or _recognizer(file, kinds) is not None
    except Fault:
        return True


def _remarks(
    path: Path, place: Path, found: type[Source], kinds: Sequence[type[Source]]
) -> Iterator[str]:
    """Yield remarks on what is beside the corpus, or in it, and not read."""
    if place != path:
        yield f"the folder {place.relative_to(path)} was read, the only one in {path}"
    if issubclass(found, AnnotationSource) and place.is_dir():
        for kind in kinds:
            if kind is not found and issubclass(kind, AnnotationSource):
                stems = [stem.relative_to(place).as_posix() for stem in kind.stems(place)]
                yield from [OTHERS.format(len(stems), min(stems), kind.layout())] if stems else ()
    archives = archives_in(place) if place.is_dir() else []
    if archives:
        names = ", ".join(each.name for each in archives[:NUM_LISTED])
        yield f"archives that were not read: {names}; to unpack one: {unpack_command(archives[0])}"


def _advice(path: Path) -> str:
    archives = [path] if is_archive(path) else archives_in(path) if path.is_dir() else []
    if archives:
        return f"unpack it first, and give the folder: {unpack_command(archives[0])}"
    return (
        "point at the table itself (.csv, .tsv, .json, .jsonl, .parquet, .xlsx, .ods), or at the "
        "folder that holds metadata.csv; docs/guide.md shows each layout"
    )


def _without_effect(
    path: Path, option: str, found: type[Source], known: Sequence[type[Source]]
) -> ConfigError:
    own = " and ".join(sorted(found.options)) or "no such option"
    takers = sorted(kind.layout() for kind in known if option in kind.options)
    return ConfigError(
        f"{path}: {option} has no effect on a corpus of kind {found.layout()}, which takes {own}; "
        f"expected a corpus of kind {' or '.join(takers)}; leave it out"
    )


def _seen(path: Path) -> str:
    if not path.exists():
        return "no such file or folder"
    if path.is_file():
        return f"a {path.suffix or 'nameless'} file"
    if not path.is_dir():
        return "neither a file nor a folder"
    names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
    more = f" and {len(names) - NUM_LISTED} more" if len(names) > NUM_LISTED else ""
    return f"a folder with {', '.join(names[:NUM_LISTED]) or 'nothing in it'}{more}"
