"""Read Kaldi's data directory: wav.scp and text; segments, utt2spk and utt2lang if present."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from mothertongue.data.sources.base import (
    ROOT_OPTIONS,
    Rejection,
    Row,
    Source,
    for_review,
    reject,
    to_row,
)
from mothertongue.data.sources.columns import split_named
from mothertongue.data.sources.readers import read_lines
from mothertongue.errors import Fault

Entries = dict[str, tuple[str, str]]
"""The entries of a file by name: file:line, and the rest of the line."""
ARCHIVE = re.compile(r"\.ark:\d+$")
NOT_READ = "data directories that were not read: {}; name them train, dev or test, or point at one"


class KaldiSource(Source):
    """One data directory, or a folder with the data directories of train, dev and test.

    Relative paths start in the data directory, or otherwise in the given folder. All files but
    `text` are held in memory, as in Kaldi's tools.
    """

    examples = (
        {
            "wav.scp": "r1 a.wav\n",
            "segments": "u1 r1 0.0 0.5\n",
            "text": "u1 habari yako\n",
            "utt2spk": "u1 s1\n",
            "a.wav": "",
        },
        {
            "train/wav.scp": "u1 wav/a.wav\n",
            "train/text": "u1 habari yako\n",
            "test/wav.scp": "u2 b.wav\n",
            "test/text": "u2 asante\n",
            "wav/a.wav": "",
            "test/b.wav": "",
        },
    )
    options = ROOT_OPTIONS
    precedence = 25

    kind: Literal["kaldi"] = "kaldi"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize the corpus by wav.scp."""
        return bool(_data_folders(path))

    def rows(self) -> Iterator[Row | Rejection]:
        folders = _data_folders(self.path)
        others = {file.parent for file in self.path.glob("*/wav.scp")}.difference(folders)
        names = ", ".join(sorted(each.name for each in others))
        self._remarks[:] = [NOT_READ.format(names)] if others else []
        for folder in folders:
            yield from self._rows(folder)

    def _rows(self, folder: Path) -> Iterator[Row | Rejection]:
        if not (folder / "text").is_file():
            reason = (
                f"{folder}: wav.scp, but no text; expected a line UTTERANCE TRANSCRIPT for each"
            )
            raise Fault("MAN-FORMAT", reason, "write text, in UTF-8")
        recordings, segments = _entries(folder / "wav.scp"), _entries(folder / "segments")
        facts = {"speaker": _entries(folder / "utt2spk"), "language": _entries(folder / "utt2lang")}
        split = None if folder == self.path else folder.name
        untranscribed = {name: where for name, (where, _) in (segments or recordings).items()}
        for where, line in read_lines(folder / "text"):
            name, text = _halves(line)
            untranscribed.pop(name, None)
            fields = _fields(name, text, split, facts)
            yield self._row(where, folder, fields, recordings, segments)
        for name, where in untranscribed.items():
            fields = _fields(name, None, split, facts)
            yield for_review(self._row(where, folder, fields, recordings, segments))

    def _row(
        self,
        where: str,
        folder: Path,
        fields: Mapping[str, object],
        recordings: Entries,
        segments: Entries,
    ) -> Row | Rejection:
        name = str(fields["id"])
        try:
            recording, times = _segment(name, segments) if segments else (name, {})
            audio = self._from_root(folder, _file(recording, recordings))
        except Fault as fault:
            return reject(where, fields, fault)
        return to_row(where, {**fields, **times, "audio": audio})

    def _from_root(self, folder: Path, audio: str) -> str:
        if self.audio_root is None and os.path.lexists(folder / audio):
            return os.path.join(os.path.relpath(folder, self.path), audio)
        return audio


def _data_folders(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    splits = [each for each in sorted(path.iterdir()) if split_named(each.name)]
    found = [each for each in (path, *splits) if (each / "wav.scp").is_file()]
    return [path] if path in found else found


def _entries(path: Path) -> Entries:
    """Return the lines of a file by their first word; no lines if there is no file.

    Raises Fault MAN-DUP if a word begins two lines.
    """
    found: Entries = {}
    for where, line in read_lines(path) if path.is_file() else ():
        name, rest = _halves(line)
        if name in found:
            reason = f"{where}: {name} is already at {found[name][0]}"
            raise Fault("MAN-DUP", reason, "keep one of the two lines")
        found[name] = where, rest
    return found


def _halves(line: str) -> tuple[str, str]:
    name, _, rest = line.strip().replace("\t", " ", 1).partition(" ")
    return name, rest.strip()


def _fields(
    name: str, text: str | None, split: str | None, facts: Mapping[str, Entries]
) -> dict[str, object]:
    known = {field: entries[name][1] for field, entries in facts.items() if name in entries}
    return known | {"id": name, "text": text, "split": split}


def _segment(name: str, segments: Entries) -> tuple[str, dict[str, float]]:
    """Return (recording, its start_s and duration_s). Raises Fault."""
    if name not in segments:
        raise Fault("MAN-KALDI", f"no line of segments is about {name}", "add it, or its text goes")
    where, rest = segments[name]
    try:
        recording, *times = rest.split()
        start_s, end_s = map(float, times)
    except ValueError:
        reason = f"{where}: {rest[:60]!r}; expected RECORDING START END, in seconds"
        raise Fault("MAN-RAGGED", reason, "mend the line") from None
    if not 0 <= start_s < end_s:
        reason = f"{where}: from {start_s:g} s to {end_s:g} s; expected 0 <= start < end"
        raise Fault("MAN-SEGMENT", reason, "mend the line")
    return recording, {"start_s": start_s, "duration_s": round(end_s - start_s, 6)}


def _file(recording: str, recordings: Entries) -> str:
    """Return the file of a recording. Raises Fault if it is a command, which is never run."""
    if recording not in recordings:
        reason = f"no line of wav.scp is about {recording}"
        raise Fault("MAN-KALDI", reason, "add it, or remove the utterance")
    where, rest = recordings[recording]
    if rest.endswith("|") or rest.startswith("|") or rest == "-":
        reason = f"{where}: a command, {rest[:60]!r}; no command of a corpus is run"
        raise Fault("MAN-COMMAND", reason, "run it yourself: write WAV files and list their paths")
    if ARCHIVE.search(rest):
        reason = f"{where}: a place in an archive, {rest[:60]!r}; expected an audio file"
        raise Fault("MAN-COMMAND", reason, "write WAV files with wav-copy and list their paths")
    return rest
