"""Find the container of an audio file and check that the file is whole, before any decoder runs.

libsndfile and FFmpeg decode a file that was cut in half without a word. These checks read the
lengths, counts and checksums that a file states, and refuse what does not fit.
"""

import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mothertongue.data.audio.chunks import check_au, check_chunks
from mothertongue.data.audio.file import EXPORT_AGAIN, AudioFile, open_audio
from mothertongue.data.audio.file import AudioError as AudioError
from mothertongue.data.audio.flac import check_flac
from mothertongue.data.audio.mpeg_frames import check_adts, check_amr, check_mp3, mp3_length
from mothertongue.data.audio.ogg_pages import check_pages
from mothertongue.data.audio.sphere import check_sphere

HEAD_BYTES = 16
EXTENSIONS = {
    "wav": (".wav", ".wave"),
    "w64": (".w64",),
    "flac": (".flac",),
    "ogg": (".ogg", ".oga", ".opus", ".spx"),
    "mp3": (".mp3",),
    "aiff": (".aif", ".aiff", ".aifc"),
    "au": (".au", ".snd"),
    "caf": (".caf",),
    "sphere": (".sph",),
    "mp4": (".m4a", ".mp4", ".m4b", ".m4v", ".mov", ".3gp", ".3gpp", ".3g2"),
    "webm": (".webm", ".mkv", ".mka"),
    "aac": (".aac",),
    "amr": (".amr", ".awb"),
}
SUFFIXES = tuple(suffix for known in EXTENSIONS.values() for suffix in known)
CHECKS: dict[str, Callable[[AudioFile], None]] = {
    "ogg": check_pages,
    "flac": check_flac,
    "mp3": check_mp3,
    "aac": check_adts,
    "amr": check_amr,
    "au": check_au,
    "sphere": check_sphere,
}


def inspect_file(path: Path, descriptor: int | None = None) -> str:
    """Return the container format of an audio file, a key of EXTENSIONS, from its content.

    Where a `descriptor` is given, the file is open already, and `path` only its name.
    Raises AudioError AUD-MISSING, AUD-FILE (no regular file), AUD-EMPTY, AUD-FORMAT, and, where
    the file contradicts itself, AUD-HEADER, AUD-TRUNCATED or AUD-CORRUPT.
    """
    regular_size(path, descriptor)
    with open_audio(path, descriptor) as source:
        head = source.read(source.start, HEAD_BYTES)
        container = _container(head)
        if container is None:
            raise _not_audio(path, head)
        CHECKS.get(container, partial(check_chunks, container=container))(source)
    return container


def regular_size(path: Path, descriptor: int | None = None) -> int:
    """Return a file's size in bytes. Raises AudioError AUD-MISSING, AUD-FILE or AUD-EMPTY."""
    try:
        facts = os.stat(path if descriptor is None else descriptor)
        readable = descriptor is not None or os.access(path, os.R_OK)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(
            "AUD-MISSING", f"{path}: {reason}", "check the path in the table"
        ) from None
    if not stat.S_ISREG(facts.st_mode):
        # A FIFO would block the reader for ever, a device would never end.
        raise AudioError("AUD-FILE", f"{path}: not a regular file", "point the row at a file")
    if not readable:
        raise AudioError("AUD-MISSING", f"{path}: not readable", "change its permissions")
    if facts.st_size == 0:
        raise AudioError("AUD-EMPTY", f"{path}: 0 bytes", "copy the recording again")
    return facts.st_size


def _container(head: bytes) -> str | None:
    if head[8:12] == b"WAVE" and head[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return "wav"
    if head[4:8] == b"ftyp":
        return "mp4"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    if mp3_length(head.ljust(4, b"\0")):
        return "mp3"
    magics = {b"fLaC": "flac", b"OggS": "ogg", b"riff": "w64", b".snd": "au", b"caff": "caf"}
    magics |= {b"\x1aE\xdf\xa3": "webm", b"#!AM": "amr", b"NIST": "sphere"}
    return magics.get(head[:4])


def _not_audio(path: Path, head: bytes) -> AudioError:
    known = ", ".join(sorted(EXTENSIONS))
    return AudioError(
        "AUD-FORMAT", f"{path}: starts with {head[:8]!r}; expected one of {known}", EXPORT_AGAIN
    )
