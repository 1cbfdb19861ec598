"""Streams of frames that must follow each other to the end of the file."""

from pathlib import Path

import numpy as np
import pytest
from clips import encode, patch, tone, write_clip

from mothertongue.data.audio.headers import inspect_file
from mothertongue.data.audio.load import AudioError, decode


def mp3(path: Path, seconds: float = 1.0, rate_hz: int = 16_000, channels: int = 1) -> bytes:
    samples_NC = np.stack([tone(seconds, rate_hz=rate_hz)] * channels, axis=1)
    return write_clip(path, samples_NC, rate_hz).read_bytes()


def without_count(content: bytes) -> bytes:
    """The same MP3 without its first frame, which holds the Xing header."""
    return content[content.index(content[:2], 4) :]


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_of_every_rate_is_walked_to_its_end(
    tmp_path: Path, rate_hz: int, channels: int
) -> None:
    path = tmp_path / "a.mp3"
    content = mp3(path, rate_hz=rate_hz, channels=channels)
    assert inspect_file(path) == "mp3"
    path.write_bytes(content[:-1])
    with pytest.raises(AudioError, match="AUD-TRUNCATED"):
        inspect_file(path)


@pytest.mark.parametrize("after", [b"", b"TAG".ljust(128, b" ")], ids=["", "ID3v1"])
def test_mp3_without_a_count_is_decoded_wholly(tmp_path: Path, after: bytes) -> None:
    # Of a rising bit rate: what libsndfile estimates from the first frames is too short.
    path = tmp_path / "a.mp3"
    content = without_count(mp3(path, 3.0))
    assert b"Xing" not in content
    path.write_bytes(content * 2 + after)
    assert len(decode(path).samples_N) / 16_000 == pytest.approx(6.0, abs=0.3)


def test_mp3_with_a_count_that_libmpg123_does_not_see_is_decoded_wholly(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    mp3(path, 3.0)
    path = patch(path, 12, "B", 58)
    assert len(decode(path).samples_N) / 16_000 == pytest.approx(3.0, abs=0.15)


@pytest.mark.parametrize(("rate_hz", "channels"), [(24_000, 1), (16_000, 2)])
def test_mp3_of_two_kinds_is_refused(tmp_path: Path, rate_hz: int, channels: int) -> None:
    path = tmp_path / "a.mp3"
    first = without_count(mp3(path))
    path.write_bytes(first + without_count(mp3(path, rate_hz=rate_hz, channels=channels)))
    with pytest.raises(AudioError, match=f"rate or channels change at byte {len(first):,}"):
        inspect_file(path)


def test_a_hole_in_mp3_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    content = mp3(path)
    path.write_bytes(content[:1000] + content[1300:])
    with pytest.raises(AudioError, match=r"AUD-CORRUPT: .* begins no MP3 frame"):
        inspect_file(path)


def test_aac_of_two_rates_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.aac", tone(), "adts", "aac")
    first = path.read_bytes()
    path.write_bytes(first + with_rate(first, 8))
    with pytest.raises(AudioError, match=f"rate or channels change at byte {len(first):,}"):
        inspect_file(path)


def with_rate(adts: bytes, index: int) -> bytes:
    """The same frames, said to be of another sample rate."""
    content, position = bytearray(adts), 0
    while position < len(content):
        content[position + 2] = content[position + 2] & 0xC3 | index << 2
        head = content[position + 3 : position + 6]
        position += (head[0] & 3) << 11 | head[1] << 3 | head[2] >> 5
    return bytes(content)
