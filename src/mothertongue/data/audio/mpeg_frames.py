"""Check streams of frames without a container: MP3, AAC as ADTS, AMR.

A frame's first bytes give its length, so that the next one must begin where it ends. Decoders look
for the next frame instead, and leave out without a word what is between.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mothertongue.data.audio.file import AudioFile, open_audio

MAX_FRAMES = 5_000_000  # 28 h of AMR, 36 h of MP3
# Encoders differ on whether the frame that holds the count is counted.
UNCOUNTED_FRAMES = 1
MP3_KBPS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MP3_RATES_HZ = {
    3: (44_100, 48_000, 32_000),
    2: (22_050, 24_000, 16_000),
    0: (11_025, 12_000, 8_000),
}
# 3GPP TS 26.101 and 26.201: bytes after the first one, for each mode that is not reserved.
AMR_BYTES = {0: 12, 1: 13, 2: 15, 3: 17, 4: 19, 5: 20, 6: 26, 7: 31, 8: 5, 15: 0}
AMR_WB_BYTES = {0: 17, 1: 23, 2: 32, 3: 36, 4: 40, 5: 46, 6: 50, 7: 58, 8: 60, 9: 5, 14: 0, 15: 0}


@dataclass(frozen=True, slots=True)
class _Frames:
    """A kind of frames. `length` returns 0 if no frame begins with the bytes."""

    name: str
    head_bytes: int
    length: Callable[[bytes], int]
    constant: Callable[[bytes], int]  # what all frames of a stream have in common


def check_mp3(source: AudioFile) -> None:
    """Walk the frames; their count must be that of the Xing or Info header, where there is one.

    Raises AudioError AUD-TRUNCATED or AUD-CORRUPT.
    """
    found = _walk(source, source.start, _Frames("MP3", 4, mp3_length, _mp3_constant))
    claimed = _claimed_frames(source)
    if claimed is None:
        return
    reason = f"the header claims {claimed:,} MP3 frames, the file has {found:,}"
    if found < claimed:
        raise source.cut(reason)
    if found > claimed + UNCOUNTED_FRAMES:
        raise source.damaged(f"{reason}; perhaps several recordings were joined as bytes")


def check_adts(source: AudioFile) -> None:
    """Walk the frames of an AAC stream. Raises AudioError AUD-TRUNCATED or AUD-CORRUPT."""
    _walk(source, source.start, _Frames("AAC", 6, _adts_length, _adts_constant))


def check_amr(source: AudioFile) -> None:
    """Walk the frames of a phone's recording. Raises AudioError AUD-TRUNCATED or AUD-CORRUPT."""
    is_wide = source.read(source.start, 9) == b"#!AMR-WB\n"
    bytes_of, first = (AMR_WB_BYTES, 9) if is_wide else (AMR_BYTES, 6)

    def length(head: bytes) -> int:
        return 0 if head[0] & 0x83 else bytes_of.get(head[0] >> 3, -1) + 1

    _walk(source, source.start + first, _Frames("AMR", 1, length, lambda _: 0))


def _walk(source: AudioFile, position: int, frames: _Frames) -> int:
    """Return the number of frames."""
    end = source.before_tags()
    constant, count = None, 0
    while position < end:
        head = source.read(position, frames.head_bytes).ljust(frames.head_bytes, b"\0")
        length = frames.length(head)
        if not length:
            raise source.damaged(f"byte {position:,} begins no {frames.name} frame")
        if constant not in (None, frames.constant(head)):
            raise source.damaged(f"rate or channels change at byte {position:,}")
        constant = frames.constant(head)
        position += length
        count += 1
        if count > MAX_FRAMES:
            raise source.implausible(f"over {MAX_FRAMES:,} {frames.name} frames")
    if position > end:
        raise source.cut(f"the last {frames.name} frame is cut")
    return count


def mp3_length(head: bytes) -> int:
    """Return the length of the layer III frame that begins with these 4 bytes; 0 without one."""
    version, kbps, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    is_frame = head[0] == 0xFF and head[1] & 0xE6 == 0xE2
    if not is_frame or version == 1 or kbps in (0, 15) or rate == 3:
        return 0
    is_mpeg_1 = version == 3  # 1152 samples a frame; the others have 576
    bits = (144_000 if is_mpeg_1 else 72_000) * MP3_KBPS[1 if is_mpeg_1 else 2][kbps]
    return bits // MP3_RATES_HZ[version][rate] + (head[2] >> 1 & 1)


def _mp3_constant(head: bytes) -> int:
    is_mono = head[3] >> 6 == 3
    return head[1] >> 1 << 8 | (head[2] & 0x0C) | is_mono


def has_frame_count(path: Path, descriptor: int | None = None) -> bool:
    """Return whether an MP3 file, perhaps open already, states how many frames it has."""
    with open_audio(path, descriptor) as source:
        return _claimed_frames(source) is not None


def _claimed_frames(source: AudioFile) -> int | None:
    head = source.read(source.start, 4)
    is_mpeg_1, is_mono = head[1] >> 3 & 3 == 3, head[3] >> 6 == 3
    side_bytes = {(True, False): 32, (False, True): 9}.get((is_mpeg_1, is_mono), 17)
    tag = source.read(source.start + 4, side_bytes + 12).ljust(side_bytes + 12, b"\0")
    name, flags, count = struct.unpack_from(">4sII", tag, side_bytes)
    # As libmpg123 wants it: before the name there are zeros.
    is_tag = name in (b"Xing", b"Info") and not tag[:side_bytes].strip(b"\0")
    return count if is_tag and flags & 1 else None


def _adts_length(head: bytes) -> int:
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and length >= 7 else 0


def _adts_constant(head: bytes) -> int:
    return int.from_bytes(head[:4], "big") >> 4
