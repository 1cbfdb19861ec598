"""An audio file that is being checked: its bytes, and the errors that name it."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mothertongue.errors import Fault

EXPORT_AGAIN = "export the recording again as WAV or FLAC"
COPY_AGAIN = "copy the recording again; if that is all of it, re-encode it to FLAC"


class AudioError(Fault):
    """A clip that cannot be used; `code` begins with AUD-."""


@dataclass(frozen=True, slots=True)
class AudioFile:
    """An open file. The sound begins at byte `start`, after ID3 tags; the file ends at `end`."""

    path: Path
    file: BinaryIO
    start: int
    end: int

    def read(self, position: int, count: int) -> bytes:
        """Return the bytes from `position` on: `count` of them, or fewer at the file's end."""
        self.file.seek(position)
        return self.file.read(count)

    def before_tags(self) -> int:
        """Return the byte where the sound ends and ID3v1 or APE tags begin."""
        end = self.end
        if self.read(max(0, end - 128), 3) == b"TAG":
            end -= 128
        footer = self.read(max(0, end - 32), 32)
        if footer.startswith(b"APETAGEX"):
            size, _, flags = struct.unpack("<III", footer[12:24])
            end -= size + 32 * (flags >> 31)  # the size is with this footer, without a header
        return end

    def cut(self, reason: str) -> AudioError:
        """Return the error for a file whose end is missing."""
        return AudioError("AUD-TRUNCATED", f"{self.path}: {reason}", COPY_AGAIN)

    def damaged(self, reason: str) -> AudioError:
        """Return the error for a file with bytes that do not fit together."""
        return AudioError("AUD-CORRUPT", f"{self.path}: {reason}", COPY_AGAIN)

    def joined(self) -> AudioError:
        """Return the error for files that were joined: decoders read only the first."""
        reason = f"{self.path}: holds several recordings, joined as bytes"
        return AudioError("AUD-CORRUPT", reason, "split it, or join the recordings as sound")

    def implausible(self, reason: str) -> AudioError:
        """Return the error for a header that cannot be that of a recording."""
        return AudioError("AUD-HEADER", f"{self.path}: {reason}", EXPORT_AGAIN)


@contextmanager
def open_audio(path: Path, descriptor: int | None = None) -> Iterator[AudioFile]:
    """Open a file to check it; if it is open already, go to its beginning."""
    with open_again(path, descriptor) as file:
        yield AudioFile(path, file, _after_tags(file), os.fstat(file.fileno()).st_size)


def open_again(path: Path, descriptor: int | None) -> BinaryIO:
    """Return a file at its beginning: the open file, which stays open, or the file at a path."""
    if descriptor is None:
        return path.open("rb")
    os.lseek(descriptor, 0, os.SEEK_SET)
    return open(descriptor, "rb", closefd=False)


@contextmanager
def kept_open(descriptor: int | None) -> Iterator[int | None]:
    """Yield another descriptor of an open file, which stays open when the first one is closed."""
    if descriptor is None:
        yield None
        return
    other = os.dup(descriptor)
    try:
        yield other
    finally:
        os.close(other)


def identity(path: Path, descriptor: int | None = None) -> tuple[Path, int, int, int, int]:
    """Return a value that changes when a file is replaced or written."""
    facts = os.stat(path if descriptor is None else descriptor)
    return path, facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


def _after_tags(file: BinaryIO) -> int:
    """Return the byte after all ID3v2 tags at the file's start, and after zeros that fill them."""
    position = 0
    while (head := _read(file, position, 10)).startswith(b"ID3") and len(head) == 10:
        size = sum(
            (byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True)
        )
        position += 10 + size + (10 if head[5] & 0x10 else 0)
        padding = _read(file, position, 4096)
        position += len(padding) - len(padding.lstrip(b"\0"))
    return position


def _read(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
