"""Checksums and numbers of Ogg's pages."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from clips import tone, write_clip

from mothertongue.data.audio.file import AudioError
from mothertongue.data.audio.headers import inspect_file


@pytest.fixture(params=["a.ogg", "a.opus"], scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    return write_clip(tmp_path_factory.mktemp("ogg") / request.param, tone(12.0))


@pytest.fixture
def content(path: Path) -> Iterator[bytes]:
    """The bytes of `path`, which a test may overwrite."""
    whole = path.read_bytes()
    yield whole
    path.write_bytes(whole)


def pages(content: bytes) -> list[bytes]:
    found, position = [], 0
    while position < len(content):
        num_segments = content[position + 26]
        length = 27 + num_segments + sum(content[position + 27 : position + 27 + num_segments])
        found.append(content[position : position + length])
        position += length
    return found


def refusal(path: Path, content: bytes) -> str | None:
    path.write_bytes(content)
    try:
        inspect_file(path)
    except AudioError as error:
        return str(error)
    return None


def test_every_flipped_bit_is_found(path: Path, content: bytes) -> None:
    rng = random.Random(0)
    for _ in range(100):
        damaged = bytearray(content)
        damaged[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        assert refusal(path, bytes(damaged))


def test_a_lost_page_is_found(path: Path, content: bytes) -> None:
    whole = pages(content)
    assert len(whole) > 4
    for lost in range(1, len(whole)):
        code = "AUD-TRUNCATED" if lost == len(whole) - 1 else "AUD-CORRUPT"
        assert code in (refusal(path, b"".join(whole[:lost] + whole[lost + 1 :])) or "")


def test_the_end_of_another_recording_is_no_end(path: Path, content: bytes) -> None:
    whole = pages(content)
    assert "does not follow" in (refusal(path, b"".join([*whole[:3], whole[-1]])) or "")


def test_streams_side_by_side_are_one_recording(tmp_path: Path) -> None:
    first, second = (
        pages(write_clip(tmp_path / name, tone()).read_bytes()) for name in ("a.ogg", "a.opus")
    )
    both = [first[0], second[0], *first[1:], *second[1:]]
    assert refusal(tmp_path / "both.ogg", b"".join(both)) is None
    assert "AUD-TRUNCATED" in (refusal(tmp_path / "both.ogg", b"".join(both[:-1])) or "")
