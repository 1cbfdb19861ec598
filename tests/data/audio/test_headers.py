"""No file that was cut, joined, added to or damaged is taken as if it were whole."""

import io
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from clips import encode, tone

from mothertongue.data.audio.headers import inspect_file
from mothertongue.data.audio.load import AudioError, decode

SOUND_N = (tone(1.0) + np.random.default_rng(0).normal(0, 0.01, 16_000)).astype(np.float32)
ID3 = b"ID3\x03\0\0\0\0\0\x0a" + bytes(10)


def native(file_format: str, subtype: str = "PCM_16", endian: str = "FILE") -> bytes:
    content = io.BytesIO()
    sf.write(content, SOUND_N, 16_000, format=file_format, subtype=subtype, endian=endian)
    return content.getvalue()


def amr() -> bytes:
    """Frames of 12.2 kbit/s, 20 ms each."""
    return b"#!AMR\n" + b"".join(b"\x3c" + bytes([i % 7] * 31) for i in range(50))


NATIVE: dict[str, Callable[[], bytes]] = {
    "wav": lambda: native("WAV"),
    "rifx.wav": lambda: native("WAV", endian="BIG"),
    "rf64.wav": lambda: native("RF64"),
    "w64": lambda: native("W64"),
    "aiff": lambda: native("AIFF"),
    "au": lambda: native("AU"),
    "caf": lambda: native("CAF"),
    "sph": lambda: native("NIST"),
    "ulaw.sph": lambda: native("NIST", "ULAW"),
    "flac": lambda: native("FLAC"),
    "mp3": lambda: native("MP3", "MPEG_LAYER_III"),
    "ogg": lambda: native("OGG", "VORBIS"),
    "opus": lambda: native("OGG", "OPUS"),
    "amr": amr,
}
FFMPEG: dict[str, tuple[str, str, dict[str, str]]] = {
    "m4a": ("mp4", "aac", {}),
    "fast.m4a": ("mp4", "aac", {"movflags": "faststart"}),
    "fragments.m4a": ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    "webm": ("webm", "libopus", {}),
    "live.webm": ("webm", "libopus", {"live": "1"}),
    "aac": ("adts", "aac", {}),
}
NAMES = [*NATIVE, *FFMPEG]


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A second of sound in every container."""
    folder = tmp_path_factory.mktemp("whole")
    found = {name: make() for name, make in NATIVE.items()}
    for name, (container, codec, options) in FFMPEG.items():
        path = encode(folder / name, SOUND_N, container, codec, **options)
        found[name] = path.read_bytes()
    return found


def refusal(path: Path, content: bytes) -> str | None:
    path.write_bytes(content)
    try:
        inspect_file(path)
    except AudioError as error:
        return error.code
    return None


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_file_is_taken(tmp_path: Path, contents: dict[str, bytes], name: str) -> None:
    assert refusal(tmp_path / name, contents[name]) is None
    assert len(decode(tmp_path / name).samples_N) == pytest.approx(16_000, abs=1_000)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("before", [b"", ID3], ids=["", "ID3"])
def test_a_cut_file_is_refused(
    tmp_path: Path, contents: dict[str, bytes], name: str, before: bytes
) -> None:
    content = contents[name]
    ends = {len(content) * share // 100 for share in (30, 60, 90, 98)}
    codes = {refusal(tmp_path / name, before + content[:end]) for end in ends}
    # What a pipe was cut to at the end of a chunk is whole, as far as anybody can know.
    assert None not in codes
    assert codes <= {"AUD-TRUNCATED", "AUD-CORRUPT", "AUD-HEADER", "AUD-FORMAT"}


@pytest.mark.parametrize("name", NAMES)
def test_joined_files_are_refused_or_decoded_wholly(
    tmp_path: Path, contents: dict[str, bytes], name: str
) -> None:
    path = tmp_path / name
    if refusal(path, contents[name] * 2) is None:
        assert len(decode(path).samples_N) == pytest.approx(32_000, abs=2_000)


@pytest.mark.parametrize("name", NAMES)
def test_bytes_after_the_sound_are_refused(
    tmp_path: Path, contents: dict[str, bytes], name: str
) -> None:
    path = tmp_path / name
    assert refusal(path, contents[name] + b"\x55\xaa\x13" * 99) in ("AUD-CORRUPT", "AUD-TRUNCATED")


@pytest.mark.parametrize("name", ["mp3", "aac", "flac"])
def test_tags_around_the_sound_are_no_part_of_it(
    tmp_path: Path, contents: dict[str, bytes], name: str
) -> None:
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0x80000000) + bytes(8)
    ape += b"".ljust(32, b"x") + b"APETAGEX" + struct.pack("<IIII", 2000, 64, 0, 0x80000000)
    content = ID3 + ID3 + contents[name] + ape + bytes(8) + b"TAG".ljust(128, b" ")
    path = tmp_path / f"a.{name}"
    assert refusal(path, content) is None
    decoded = decode(path)
    assert decoded.notes == ()
    assert len(decoded.samples_N) == pytest.approx(16_000, abs=1_000)


@pytest.mark.parametrize("name", NAMES)
def test_no_mutation_of_a_file_raises_anything_else(
    tmp_path: Path, contents: dict[str, bytes], name: str
) -> None:
    rng = random.Random(name)
    path = tmp_path / name
    for _ in range(12):
        content = bytearray(contents[name])
        for _ in range(rng.choice((1, 4, 40))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(content)
        try:
            decode(path, max_duration_s=30.0)
        except AudioError as error:
            assert str(path) in error.reason
