"""What an audio file says of itself, read before any decoder runs.

libsndfile and FFmpeg both decode a WAV or an Ogg file that was cut in half without a word, and
libsndfile takes 7 bits per sample for music. These checks read a few bytes and refuse such files.
"""

import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO

from mothertongue.errors import Fault

HEAD_BYTES = 4096
# An Ogg page is at most 27 bytes of header, 255 of segment table and 255 * 255 of payload.
OGG_PAGE_BYTES = 27 + 255 + 255 * 255
OGG_LAST_PAGE = 0x04
# A writer to a pipe cannot know the length: ffmpeg leaves 0xFFFFFFFF, sox 0x7FFFF000 and more.
STREAMED_BYTES = 0x7FFFF000
WAV_BITS = {1: (8, 16, 24, 32), 3: (32, 64), 6: (8,), 7: (8,)}  # PCM, float, A-law, mu-law
WAV_EXTENSIBLE = 0xFFFE
EXTENSIONS = {
    "wav": (".wav", ".wave"),
    "w64": (".w64",),
    "flac": (".flac",),
    "ogg": (".ogg", ".oga", ".opus", ".spx"),
    "mp3": (".mp3",),
    "aiff": (".aif", ".aiff", ".aifc"),
    "au": (".au", ".snd"),
    "caf": (".caf",),
    "mp4": (".m4a", ".mp4", ".m4b", ".mov", ".3gp"),
    "webm": (".webm", ".mkv", ".mka"),
    "aac": (".aac",),
    "amr": (".amr",),
}
EXPORT_AGAIN = "export the recording again as WAV or FLAC"


class AudioError(Fault):
    """A clip that cannot be used; `code` begins with AUD-."""


def inspect_file(path: Path, descriptor: int | None = None) -> str:
    """The container format of an audio file, a key of EXTENSIONS, from its content.

    Where a `descriptor` is given, the file is open already, and `path` only its name.
    Raises AudioError AUD-MISSING, AUD-FILE (no regular file), AUD-EMPTY, AUD-FORMAT, and, where
    the header contradicts the file, AUD-HEADER or AUD-TRUNCATED.
    """
    size_bytes = regular_size(path, descriptor)
    with open_again(path, descriptor) as file:
        head = file.read(HEAD_BYTES)
        container = _container(head)
        if container is None:
            raise _not_audio(path, head)
        if container == "wav" and head.startswith(b"RIFF"):
            _check_wav(path, file, size_bytes)
        if container == "ogg":
            _check_ogg(path, file, size_bytes)
        if container == "mp3":
            _check_mp3(path, head, size_bytes)
    return container


def open_again(path: Path, descriptor: int | None) -> BinaryIO:
    """Return a file at its beginning: one that is open already and stays so, or that of a path."""
    if descriptor is None:
        return path.open("rb")
    os.lseek(descriptor, 0, os.SEEK_SET)
    return open(descriptor, "rb", closefd=False)


def regular_size(path: Path, descriptor: int | None = None) -> int:
    """The size of a file in bytes. Raises AudioError AUD-MISSING, AUD-FILE or AUD-EMPTY."""
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
    if head[:3] == b"ID3" or _is_mp3_frame(head):
        return "mp3"
    magics = {b"fLaC": "flac", b"OggS": "ogg", b"riff": "w64", b".snd": "au", b"caff": "caf"}
    magics |= {b"\x1aE\xdf\xa3": "webm", b"#!AM": "amr"}
    return magics.get(head[:4])


def _is_mp3_frame(head: bytes) -> bool:
    """MPEG audio, layer III, with none of the reserved values that random bytes would have."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return False
    version, bitrate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and bitrate != 15 and rate != 3


def _not_audio(path: Path, head: bytes) -> AudioError:
    known = ", ".join(sorted(EXTENSIONS))
    return AudioError(
        "AUD-FORMAT", f"{path}: starts with {head[:8]!r}; expected one of {known}", EXPORT_AGAIN
    )


def _check_wav(path: Path, file: BinaryIO, size_bytes: int) -> None:
    """Walk the RIFF chunks up to the samples. Raises AudioError AUD-HEADER or AUD-TRUNCATED."""
    position = 12
    seen_format = False
    while position + 8 <= size_bytes:
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"fmt ":
            _check_wav_format(path, file.read(min(length, 40)))
            seen_format = True
        if name == b"data":
            if not seen_format:
                break
            _check_wav_length(path, length, size_bytes - position - 8)
            return
        position += 8 + length + length % 2
    raise AudioError("AUD-HEADER", f"{path}: no fmt chunk followed by data", EXPORT_AGAIN)


def _check_wav_format(path: Path, chunk: bytes) -> None:
    if len(chunk) < 16:
        raise AudioError("AUD-HEADER", f"{path}: fmt chunk of {len(chunk)} bytes", EXPORT_AGAIN)
    tag, channels, rate, _, block, bits = struct.unpack("<HHIIHH", chunk[:16])
    if tag == WAV_EXTENSIBLE and len(chunk) >= 26:
        tag = struct.unpack("<H", chunk[24:26])[0]
    if tag not in WAV_BITS:
        return
    if bits not in WAV_BITS[tag] or block != channels * bits // 8 or not rate:
        raise AudioError(
            "AUD-HEADER",
            f"{path}: {bits} bits, {channels} channels, {block} bytes a frame, {rate} Hz;"
            f" expected {' or '.join(map(str, WAV_BITS[tag]))} bits and a frame that fits",
            EXPORT_AGAIN,
        )


def _check_wav_length(path: Path, claimed: int, present: int) -> None:
    if present < claimed < STREAMED_BYTES:
        raise AudioError(
            "AUD-TRUNCATED",
            f"{path}: the header claims {claimed:,} bytes of samples, the file has {present:,}",
            "copy the recording again, it was cut",
        )


def _check_ogg(path: Path, file: BinaryIO, size_bytes: int) -> None:
    """A whole Ogg stream ends with a page that says so; a cut one just stops."""
    file.seek(max(0, size_bytes - OGG_PAGE_BYTES))
    tail = file.read(OGG_PAGE_BYTES)
    page = tail[tail.rfind(b"OggS") :]
    num_segments = page[26] if len(page) > 26 else 0
    length = 27 + num_segments + sum(page[27 : 27 + num_segments])
    if not num_segments or len(page) < length or not page[5] & OGG_LAST_PAGE:
        raise AudioError(
            "AUD-TRUNCATED",
            f"{path}: the last Ogg page is cut, or not marked as the last",
            "copy the recording again; if that is all of it, re-encode it to FLAC",
        )


def _check_mp3(path: Path, head: bytes, size_bytes: int) -> None:
    """The Xing or Info header, where there is one, counts the stream's bytes."""
    found = max(head.find(b"Xing"), head.find(b"Info"))
    if found < 0 or len(head) < found + 16:
        return
    flags, _, claimed = struct.unpack(">III", head[found + 4 : found + 16])
    # 2 %: encoders differ on whether tags and the header's own frame are counted.
    if flags & 3 == 3 and size_bytes < 0.98 * claimed:
        raise AudioError(
            "AUD-TRUNCATED",
            f"{path}: the header claims {claimed:,} bytes of MP3, the file has {size_bytes:,}",
            "copy the recording again, it was cut",
        )
