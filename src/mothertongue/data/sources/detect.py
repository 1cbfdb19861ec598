"""Detect the layout that a path holds: every source looks at it."""

from collections.abc import Mapping
from pathlib import Path

from mothertongue import config
from mothertongue.data import sources
from mothertongue.data.hub import PREFIX, download
from mothertongue.data.sources.base import Source
from mothertongue.errors import ConfigError, Fault

NUM_LISTED = 12


def detect(
    path: Path, options: Mapping[str, object] | None = None, layout: str | None = None
) -> Source:
    """Return the Source that reads `path`; `options` are those of `prepare`, such as --tier.

    A path `hub:OWNER/NAME` is downloaded first. `layout` names the one to take if several
    recognize the path. Raises Fault MAN-FORMAT with what was seen if no layout recognizes it,
    and ConfigError if the layout is unknown or an option has no effect on what was found.
    """
    if str(path).startswith(PREFIX):
        path = download(str(path))
    given = {name: value for name, value in (options or {}).items() if value is not None}
    known = config.members(Source, sources)  # type: ignore[type-abstract]
    kinds = sorted(known, key=lambda kind: kind.precedence)
    names = sorted(kind.layout() for kind in kinds)
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
            "point at the table itself (.csv, .tsv, .jsonl, .parquet), or at the folder that holds "
            "metadata.csv; docs/guide.md shows each layout",
        )
    if useless := sorted(given.keys() - found.options.keys()):
        expected = " and ".join(sorted(found.options)) or "neither a column nor a field"
        raise ConfigError(
            f"{path}: {useless[0]} has no effect on a corpus of kind {found.layout()}; "
            f"expected {expected}; leave it out"
        )
    return found.at(path, {found.options[name]: value for name, value in given.items()})


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
