"""Check the checksum and number of every Ogg page, because decoders do not.

libogg leaves out a page that is damaged, and libsndfile reads on after the hole, or stops there.
"""

import struct
import zlib

from mothertongue.data.audio.file import AudioFile

HEADER = struct.Struct("<4sBB8sIIIB")
FIRST_PAGE, LAST_PAGE = 0x02, 0x04
REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def check_pages(source: AudioFile) -> None:
    """Read every page of an Ogg file. Raises AudioError AUD-TRUNCATED or AUD-CORRUPT."""
    next_numbers: dict[int, int] = {}  # of each stream that has begun and not ended
    is_begun = False
    position = source.start
    while position < source.end:
        kind, serial, number, length = _page(source, position)
        if kind & FIRST_PAGE and is_begun:
            raise source.joined()
        is_begun = not kind & FIRST_PAGE
        expected = 0 if kind & FIRST_PAGE else next_numbers.get(serial)
        if number != expected:
            raise source.damaged(f"the Ogg page at byte {position:,} does not follow the last one")
        next_numbers[serial] = number + 1
        if kind & LAST_PAGE:
            del next_numbers[serial]
        position += length
    if next_numbers:
        raise source.cut("the last Ogg page is not marked as the last")


def _page(source: AudioFile, position: int) -> tuple[int, int, int, int]:
    """Return a page's flags, the serial number of its stream, its own number and its bytes."""
    header = source.read(position, HEADER.size)
    if not header.startswith(b"OggS"):
        raise source.damaged(f"byte {position:,} begins no Ogg page")
    if len(header) < HEADER.size:
        raise source.cut("the last Ogg page is cut")
    _, _, kind, _, serial, number, checksum, num_segments = HEADER.unpack(header)
    lengths = source.file.read(num_segments)
    content = source.file.read(sum(lengths))
    length = HEADER.size + num_segments + sum(lengths)
    if position + length > source.end:
        raise source.cut("the last Ogg page is cut")
    if _crc32(header[:22] + bytes(4) + header[26:] + lengths + content) != checksum:
        raise source.damaged(f"the Ogg page at byte {position:,} does not match its checksum")
    return kind, serial, number, length


def _crc32(content: bytes) -> int:
    """Return Ogg's CRC-32: zlib's polynomial, but high bits first and nothing inverted.

    RFC 3533, sec. 6. The CRC of reversed bytes is the reversed CRC, and zlib's is quick.
    """
    inverted = zlib.crc32(content.translate(REVERSED), 0xFFFFFFFF)
    return int.from_bytes((inverted ^ 0xFFFFFFFF).to_bytes(4, "little").translate(REVERSED), "big")
