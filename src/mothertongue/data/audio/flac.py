"""Count the samples of FLAC from its last frame, because the header may be wrong.

An encoder that writes to a pipe leaves 0 for the header's count, and libsndfile then can read
nothing. Where the count is too small, libsndfile stops there without a word.
"""

import io
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mothertongue.data.audio.file import AudioFile, open_audio

FIRST_BYTES = re.compile(rb"fLaC[\0\x80]\0\0\x22")  # and a block of 34 bytes, perhaps the last
HEADER_BYTES = 8 + 34
COUNT_AT = 21  # the byte of the header that ends with the first 4 of the count's 36 bits
SEARCHED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Info:
    """RFC 9639, sec. 8.2. `count` is of samples in each channel, 0 where it is not known."""

    block: int  # samples in each channel, of all frames but the last
    frame_bytes: int  # of the largest frame, or more
    count: int


class FlacWithCount(io.FileIO):
    """A FLAC file without a count of samples, read as if its header had the right one."""

    def __init__(self, path: Path, descriptor: int | None = None) -> None:
        with open_audio(path, descriptor) as source:
            width = source.read(source.start + COUNT_AT, 1)[0]  # of a sample, in its first 4 bits
            count = _last_sample(source, _info(source))
        self.patched_at = source.start + COUNT_AT
        self.patch = (width << 32 | count).to_bytes(5, "big")
        super().__init__(path if descriptor is None else os.dup(descriptor))
        self.seek(0)

    def readinto(self, buffer: Any) -> int:
        """Read on into a buffer and return how many bytes were read."""
        position = self.tell()
        num_bytes = super().readinto(buffer) or 0
        for i, byte in enumerate(self.patch, self.patched_at - position):
            if 0 <= i < num_bytes:
                buffer[i : i + 1] = bytes([byte])
        return num_bytes


def check_flac(source: AudioFile) -> None:
    """Compare the header's count with the last frame.

    Raises AudioError AUD-HEADER, AUD-TRUNCATED or AUD-CORRUPT.
    """
    info = _info(source)
    if _is_joined(source):
        raise source.joined()
    found = _last_sample(source, info)
    reason = f"the header claims {info.count:,} samples, the file has {found:,}"
    if info.count > found:
        raise source.cut(reason)
    if 0 < info.count < found:
        raise source.damaged(reason)


def _info(source: AudioFile) -> _Info:
    head = source.read(source.start, HEADER_BYTES)
    if len(head) < HEADER_BYTES or not FIRST_BYTES.match(head):
        raise source.implausible("the FLAC header is not one of 34 bytes")
    block, largest = int.from_bytes(head[10:12], "big"), int.from_bytes(head[15:18], "big")
    facts = int.from_bytes(head[18:26], "big")  # 20 bits rate, 3 channels, 5 width, 36 count
    channels, sample_bits = (facts >> 41 & 7) + 1, (facts >> 36 & 31) + 1
    # Without compression: a bit more for the difference of two channels, and headers.
    most = block * channels * (sample_bits + 1) // 8 + 64
    return _Info(block, largest or most, facts & (1 << 36) - 1)


def _is_joined(source: AudioFile) -> bool:
    source.file.seek(source.start + HEADER_BYTES)
    before = b""
    while block := source.file.read(SEARCHED_BYTES):
        block = before + block
        position = -1
        while (position := block.find(b"fLaC", position + 1)) >= 0:
            if FIRST_BYTES.match(block, position):
                return True
        before = block[-7:]
    return False


def _last_sample(source: AudioFile, info: _Info) -> int:
    """Return the count of samples at the end of the last frame. Raises AudioError AUD-TRUNCATED."""
    end = source.before_tags()
    first = max(source.start + HEADER_BYTES, end - info.frame_bytes)
    tail = source.read(first, max(0, end - first))
    position = len(tail)
    while (position := tail.rfind(b"\xff", 0, position)) >= 0:
        last_sample = _last_sample_of(tail[position : position + 17], info.block)
        if last_sample and _crc(tail[position:], 0x8005, 16) == 0:
            return last_sample
    raise source.cut("the last FLAC frame is cut or damaged")


def _last_sample_of(head: bytes, block: int) -> int:
    """Return the count of samples up to a frame's end, 0 where no frame begins.

    RFC 9639, sec. 9.1.
    """
    if len(head) < 6 or head[1] & 0xFE != 0xF8:
        return 0
    number_bytes = max(1, 8 - (head[4] ^ 0xFF).bit_length())  # its leading ones, as in UTF-8
    size_at = 4 + number_bytes
    rate_at = size_at + {6: 1, 7: 2}.get(head[2] >> 4, 0)
    crc_at = rate_at + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if crc_at >= len(head) or _crc(head[: crc_at + 1], 0x07, 8):
        return 0
    number = head[4] & (0x7F >> number_bytes if number_bytes > 1 else 0x7F)
    for byte in head[5:size_at]:
        number = number << 6 | byte & 0x3F
    first = number if head[1] & 1 else number * block
    return first + _block_size(head[2] >> 4, head[size_at:rate_at])


def _block_size(code: int, coded: bytes) -> int:
    if coded:
        return int.from_bytes(coded, "big") + 1
    if code < 6:
        return 192 if code == 1 else 576 << code >> 2
    return 1 << code


def _crc(content: bytes, polynomial: int, width: int) -> int:
    """Return the CRC of bytes that end with their own CRC: 0 where they are whole."""
    remainder, mask, table = 0, (1 << width) - 1, _crc_table(polynomial, width)
    for byte in content:
        remainder = remainder << 8 & mask ^ table[remainder >> width - 8 ^ byte]
    return remainder


@cache
def _crc_table(polynomial: int, width: int) -> tuple[int, ...]:
    def entry(remainder: int) -> int:
        for _ in range(8):
            remainder = remainder << 1 ^ (polynomial if remainder >> width - 1 else 0)
            remainder &= (1 << width) - 1
        return remainder

    return tuple(entry(byte << width - 8) for byte in range(256))
