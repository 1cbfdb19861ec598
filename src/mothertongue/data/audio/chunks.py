"""Check containers of chunks that state their lengths: WAV, W64, AIFF, CAF, AU, MP4, WebM.

The chunks must fill the file exactly. libsndfile and FFmpeg take a chunk that is longer than the
file, and bytes after the last chunk, without a word.
"""

import struct
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mothertongue.data.audio.file import AudioFile, open_audio

# A writer to a pipe cannot know the length: ffmpeg leaves 0xFFFFFFFF, sox 0x7FFFF000 and more.
STREAMED = 0x7FFFF000
EBML, SEGMENT, CLUSTER = b"\x1aE\xdf\xa3", b"\x18S\x80g", b"\x1fC\xb6u"
BLOCKS = {b"\xa0", b"\xa3"}
WEBM_NAMES = {
    *(EBML, SEGMENT, CLUSTER, *BLOCKS),
    *map(bytes.fromhex, ("ec", "bf", "e7", "a7", "ab", "af", "5854")),
    *map(bytes.fromhex, ("114d9b74", "1549a966", "1654ae6b", "1c53bb6b")),
    *map(bytes.fromhex, ("1254c367", "1941a469", "1043a770")),
}
WAV_BITS = {1: (8, 16, 24, 32), 3: (32, 64), 6: (8,), 7: (8,)}  # PCM, float, A-law, mu-law
WAV_EXTENSIBLE = 0xFFFE

# The first bytes of a chunk -> its name, the bytes of its header, those of its content. Content of
# None goes on to the end of the file.
Header = Callable[[bytes], tuple[bytes, int, int | None]]


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a container's chunks."""

    header: Header
    first: int = 0  # offset of the first chunk
    shortest: int = 8  # bytes of the shortest header
    align: int = 1
    most: int = 10_000  # chunks
    # Names of which a second one begins another recording. Bytes before `first` hold one of them.
    once: Collection[bytes] = ()
    known: Collection[bytes] = ()  # the only names, where not any printable one will do
    entered: Collection[bytes] = ()  # names of chunks that hold chunks


@dataclass(frozen=True, slots=True)
class Chunk:
    """The content of a chunk: `length` bytes from byte `position` of the file on."""

    name: bytes
    position: int
    length: int


def check_chunks(source: AudioFile, container: str) -> None:
    """Walk the chunks of a file. `container` is a key of EXTENSIONS.

    Raises AudioError AUD-HEADER, AUD-TRUNCATED or AUD-CORRUPT.
    """
    magic = source.read(source.start, 4)
    is_wav = container in ("wav", "w64")
    found = set()
    for chunk in _chunks(source, _layout(source, container, magic)):
        if is_wav and chunk.name == b"fmt ":
            _check_wav_format(source, chunk, ">" if magic == b"RIFX" else "<")
        if is_wav and chunk.name == b"data" and b"fmt " not in found:
            break
        found.add(chunk.name)
    if is_wav and not {b"fmt ", b"data"} <= found:
        raise source.implausible("no fmt chunk followed by data")


def check_au(source: AudioFile) -> None:
    """Check the length that an AU file states. Raises AudioError AUD-TRUNCATED or AUD-CORRUPT."""
    first, claimed = struct.unpack(">II", source.read(source.start + 4, 8).ljust(8, b"\0"))
    present = max(0, source.end - source.start - first)
    reason = f"the header claims {claimed:,} bytes of samples, the file has {present:,}"
    if claimed != 0xFFFFFFFF and claimed > present:
        raise source.cut(reason)
    if claimed < present:
        raise source.damaged(reason)


def count_blocks(path: Path, descriptor: int | None = None) -> int:
    """Return the number of blocks, of all tracks, in a WebM file."""
    with open_audio(path, descriptor) as source:
        return sum(each.name in BLOCKS for each in _chunks(source, _layout(source, "webm", EBML)))


def _layout(source: AudioFile, container: str, magic: bytes) -> Layout:
    if magic == b"RF64":
        return Layout(partial(_rf64, _rf64_data_bytes(source)), first=12, align=2, once={magic})
    layouts = {
        "wav": Layout(_rifx if magic == b"RIFX" else _riff, first=12, align=2, once={magic}),
        "w64": Layout(_w64, first=40, shortest=24, align=8, once={magic}),
        "aiff": Layout(_aiff, first=12, align=2, once={magic}),
        "caf": Layout(_caf, first=8, shortest=12, once={magic}),
        "mp4": Layout(_mp4, most=100_000, once={b"ftyp", b"moov"}),
        # 11 hours of blocks of 20 ms.
        "webm": Layout(
            _webm,
            shortest=2,
            most=2_000_000,
            once={EBML, SEGMENT},
            known=WEBM_NAMES,
            entered={SEGMENT, CLUSTER},
        ),
    }
    return layouts[container]


def _chunks(source: AudioFile, layout: Layout) -> Iterator[Chunk]:
    position = source.start + layout.first
    seen = set(layout.once) if layout.first else set()
    for _ in range(layout.most):
        if source.end - position < layout.shortest:
            return
        name, header_bytes, length = layout.header(source.read(position, 24).ljust(24, b"\0"))
        if not _is_name(name, layout.known):
            raise source.damaged(
                f"byte {position:,} begins no chunk: the header claims too few samples, or"
                " something was added to the file"
            )
        if name in layout.once and name in seen:
            raise source.joined()
        content = position + header_bytes
        present = max(0, source.end - content)
        if length is None:
            length = present
        if length > present:
            raise source.cut(
                f"the header claims {length:,} bytes {_of(name)}, the file has {present:,}"
            )
        seen.add(name)
        yield Chunk(name, content, length)
        position = content if name in layout.entered else _after(source, content + length, layout)
    raise source.implausible(f"over {layout.most:,} chunks")


def _is_name(name: bytes, known: Collection[bytes]) -> bool:
    return name in known if known else all(32 <= byte < 127 for byte in name)


def _of(name: bytes) -> str:
    if name in (b"data", b"SSND", b"mdat", SEGMENT, CLUSTER):
        return "of samples"
    return f"for its chunk {name.decode('latin-1')!r}"


def _after(source: AudioFile, position: int, layout: Layout) -> int:
    """Return where the next chunk begins. Many writers forget the bytes that align it."""
    padding = -(position - source.start) % layout.align
    return position + padding if not source.read(position, padding).strip(b"\0") else position


def _riff(head: bytes) -> tuple[bytes, int, int | None]:
    name, length = struct.unpack_from("<4sI", head)
    return name, 8, _unless_streamed(name, length)


def _rifx(head: bytes) -> tuple[bytes, int, int | None]:
    name, length = struct.unpack_from(">4sI", head)
    return name, 8, _unless_streamed(name, length)


def _unless_streamed(name: bytes, length: int) -> int | None:
    return None if name == b"data" and length & STREAMED == STREAMED else length


def _rf64(data_bytes: int, head: bytes) -> tuple[bytes, int, int | None]:
    name, length = struct.unpack_from("<4sI", head)
    return name, 8, data_bytes if name == b"data" and length == 0xFFFFFFFF else length


def _rf64_data_bytes(source: AudioFile) -> int:
    """Return the length of the samples, which the chunk of an RF64 file is too small to say."""
    head = source.read(source.start + 12, 24)
    if len(head) < 24 or not head.startswith(b"ds64"):
        raise source.implausible("no ds64 chunk")
    return int.from_bytes(head[16:24], "little")


def _w64(head: bytes) -> tuple[bytes, int, int | None]:
    # The name is a GUID that begins with the letters; the length counts the header too.
    name, length = struct.unpack_from("<4s12xQ", head)
    return name, 24, max(0, length - 24)


def _aiff(head: bytes) -> tuple[bytes, int, int | None]:
    name, length = struct.unpack_from(">4sI", head)
    return name, 8, length


def _caf(head: bytes) -> tuple[bytes, int, int | None]:
    name, length = struct.unpack_from(">4sQ", head)
    return name, 12, None if length == 2**64 - 1 else length


def _mp4(head: bytes) -> tuple[bytes, int, int | None]:
    length, name, long_length = struct.unpack_from(">I4sQ", head)
    if length == 1:
        return name, 16, max(0, long_length - 16)
    return name, 8, None if length == 0 else max(0, length - 8)


def _webm(head: bytes) -> tuple[bytes, int, int | None]:
    """EBML: the leading zero bits of a number's first byte say how many bytes follow it."""
    name_bytes = 9 - head[0].bit_length()
    length_bytes = 9 - head[name_bytes].bit_length()
    header_bytes = name_bytes + length_bytes
    largest = (1 << 7 * length_bytes) - 1
    length = int.from_bytes(head[name_bytes:header_bytes], "big") & largest
    # All ones: a live stream, whose writer cannot go back.
    return head[:name_bytes], header_bytes, None if length == largest else length


def _check_wav_format(source: AudioFile, chunk: Chunk, order: str) -> None:
    content = source.read(chunk.position, min(chunk.length, 40))
    if len(content) < 16:
        raise source.implausible(f"fmt chunk of {len(content)} bytes")
    tag, channels, rate, _, block, bits = struct.unpack(f"{order}HHIIHH", content[:16])
    if tag == WAV_EXTENSIBLE and len(content) >= 26:
        (tag,) = struct.unpack(f"{order}H", content[24:26])
    if tag not in WAV_BITS:
        return
    if bits not in WAV_BITS[tag] or block != channels * bits // 8 or not rate:
        raise source.implausible(
            f"{bits} bits, {channels} channels, {block} bytes a frame, {rate} Hz;"
            f" expected {' or '.join(map(str, WAV_BITS[tag]))} bits and a frame that fits"
        )
