"""One malformed input, and the exit code that each verb owes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from faults.home import Home

Write = Callable[[Path, Home], object]
"""Writes the input to a path; a file, a folder, a link or nothing at all."""
BAD_DATA, BAD_USE = 65, 2


@dataclass(frozen=True, slots=True)
class Input:
    """A path with something wrong at it."""

    kind: str  # a key of verbs.VERBS
    name: str  # of the file or the folder, as a message names it
    write: Write
    code: int | None = BAD_DATA
    """The exit code of every verb that reads it, 0 where it is to be taken; None: either of them,
    where nobody can say whether what is left has a right reading."""
    codes: Mapping[str, int | None] = field(default_factory=dict)
    """The exit codes of verbs that owe another."""
    names: str = ""
    """A part of the path that the message has to show; the name where empty."""
    only: tuple[str, ...] = ()
    """The verbs that it is an input of; every one of its kind where empty."""

    def expected(self, verb: str) -> int | None:
        """The exit code of a verb; None: 0 or BAD_DATA."""
        return self.codes.get(verb, self.code)


def content(data: bytes | str) -> Write:
    """Write exactly this."""
    raw = data.encode() if isinstance(data, str) else data
    return lambda path, home: path.write_bytes(raw)
