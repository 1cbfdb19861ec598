"""Find the recordings that a command names, and write their transcripts. No torch.

OUT/
  transcription.json    model, language and settings: what is here was made with them
  interviews/anna.srt   for interviews/anna.m4a, in each format asked for
  .lock                 only while a process works here
"""

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mothertongue.data.audio.headers import SUFFIXES as KNOWN
from mothertongue.data.folders import is_shown
from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment.run_dir import refuse_change
from mothertongue.inference.subtitle_formats import SUFFIXES, written
from mothertongue.inference.subtitles import Recording
from mothertongue.system.files import open_atomically, sweep, write_json
from mothertongue.system.json_files import read_json
from mothertongue.system.locks import GIVE_ANOTHER, alone

RECORD, LOCK = "transcription.json", ".lock"


@dataclass(frozen=True, slots=True)
class Source:
    """A recording, and the name of its output without an extension."""

    path: Path
    name: Path


def find_sources(arguments: Sequence[Path]) -> list[Source]:
    """Return the recordings in files, folders (with all below them) and patterns, each once.

    Hidden files and folders below a folder are left out.
    Raises DataError for a name that matches nothing.
    """
    found: dict[Path, Source] = {}
    for argument in arguments:
        for source in _named(argument):
            found.setdefault(source.path.absolute(), source)
    return list(found.values())


def refuse_clashes(sources: Sequence[Source], formats: Sequence[str]) -> None:
    """Raise ConfigError if two recordings have the same output, or one has the settings' name."""
    for source in sources:
        if any(f"{source.name}.{each}".casefold() == RECORD for each in formats):
            raise ConfigError(
                f"{source.path}: would be written to {RECORD}, where the settings are kept; rename "
                "it, or leave out --format json"
            )
    by_name: dict[Path, Path] = {}
    for source in sources:
        other = by_name.setdefault(source.name, source.path)
        if other is not source.path:
            raise ConfigError(
                f"{other} and {source.path} would both be written to {source.name}.*; rename one, "
                "or call twice with different --out"
            )


def _named(argument: Path) -> Iterator[Source]:
    if argument.is_dir():
        below = [path.relative_to(argument) for path in sorted(argument.rglob("*"))]
        seen = [path for path in below if all(map(is_shown, path.parts))]
        inside = [path for path in seen if path.suffix.lower() in KNOWN]
        if not inside:
            raise DataError(f"{argument}: no audio below it; expected {', '.join(sorted(KNOWN))}")
        for path in inside:
            yield Source(argument / path, path.with_suffix(""))
    elif os.path.lexists(argument):  # a link to nothing is told when it is read
        yield Source(argument, Path(argument.stem))
    elif matches := sorted(glob.glob(str(argument), recursive=True)):
        for match in matches:
            yield from _named(Path(match))
    else:
        raise DataError(f"{argument}: no such file or folder, and no pattern that matches one")


@contextmanager
def opened_outputs(
    folder: Path, formats: Sequence[str], sources: Sequence[Source], settings: dict[str, Any]
) -> Iterator["Outputs"]:
    """Open the outputs in a folder for this process alone.

    Raises MothertongueError where another works there, and what `Outputs` does.
    """
    with alone(folder / LOCK, folder, GIVE_ANOTHER):
        yield Outputs(folder, formats, sources, settings)


class Outputs:
    """A folder of transcripts: each is written whole, and existing ones are not made again."""

    def __init__(
        self,
        folder: Path,
        formats: Sequence[str],
        sources: Sequence[Source],
        settings: dict[str, Any],
    ) -> None:
        """Raises ConfigError where the folder was made with other settings, or names clash."""
        refuse_clashes(sources, formats)
        self.folder, self.formats = folder, formats
        for parent in {folder / each.name.parent for each in sources}:
            sweep(parent)
        record = folder / RECORD
        if record.is_file():
            refuse_change(str(folder), read_json(record, dict[str, Any]), settings)
        else:
            write_json(record, settings)

    def is_done(self, source: Source) -> bool:
        """Return whether the output of a recording exists in every format."""
        return all(self._file(source, each).is_file() for each in self.formats)

    def write(self, source: Source, recording: Recording) -> None:
        """Write one file for each format."""
        for each in self.formats:
            path = self._file(source, each)
            with open_atomically(path) as file:
                file.write(written(each, recording, source.path))

    def _file(self, source: Source, format_: str) -> Path:
        # Not with_suffix: a recording may be called "2024.05.01".
        suffix = SUFFIXES.get(format_, format_)
        return self.folder / source.name.parent / f"{source.name.name}.{suffix}"
