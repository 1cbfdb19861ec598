"""Detect the layout that a path holds: every source looks at it."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from mothertongue import config
from mothertongue.data import sources
from mothertongue.data.hub import PREFIX, download
from mothertongue.data.sources.base import Source
from mothertongue.data.sources.fleurs import TextField
from mothertongue.errors import ConfigError, Fault

NUM_LISTED = 12


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
    found = next((kind for kind in kinds if kind.recognizes(path)), None)
    if found is None:
        expected = f"one of these layouts: {', '.join(names)}" if layout is None else layout
        raise Fault(
            "MAN-FORMAT",
            f"{path}: {_seen(path)}; expected {expected}",
            "point at the table itself (.csv, .tsv, .json, .jsonl, .parquet, .xlsx), or at the "
            "folder that holds metadata.csv; docs/guide.md shows each layout",
        )
    given = options.given()
    if useless := sorted(given.keys() - found.options.keys()):
        raise _without_effect(path, useless[0], found, known)
    if options.audio_root is not None and not options.audio_root.is_dir():
        raise ConfigError(f"--audio-root {options.audio_root}: no such folder; check the path")
    return found.at(path, {found.options[name]: value for name, value in given.items()})


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
