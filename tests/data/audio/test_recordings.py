"""Rows of one recording: the same samples as from its start, and few frames decoded for them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import encode, write_clip
from tiny import noise

from mothertongue.data.audio import decoders
from mothertongue.data.audio.decoders import Span, blocks_of
from mothertongue.data.audio.headers import inspect_file
from mothertongue.data.audio.recordings import Recordings

SECONDS, ROW_S = 90.0, 3.0
ROWS: list[float] = np.arange(1.0, SECONDS - ROW_S, 4.0).tolist()
KINDS = {
    "a.m4a": ("mp4", "aac"),
    "a.webm": ("webm", "libopus"),
    "alac.m4a": ("mp4", "alac"),
    "opus.mp4": ("mp4", "libopus"),
    "a.mka": ("matroska", "aac"),
}
EXACT = ["a.webm", "alac.m4a", "opus.mp4"]
"""A decoder of these that begins in the middle gives the same bits; FFmpeg's AAC has noise."""

Counted = Callable[[], int]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("recordings")
    for name, (container, codec) in KINDS.items():
        encode(made / name, noise(SECONDS), container, codec)
    return made


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    """Forgets all recordings; returns a function that counts the frames decoded since."""
    found, decoded = [0], decoders._pyav_decoded

    def count(span: Span, frames: Any) -> Iterator[Any]:
        for each in decoded(span, frames):
            found[0] += 1
            yield each

    monkeypatch.setattr(decoders, "_pyav_decoded", count)
    monkeypatch.setattr(decoders, "RECORDINGS", Recordings())
    return lambda: found[0]


def row(path: Path, start_s: float, descriptor: int | None = None) -> list[np.ndarray]:
    span = Span(path, start_s, ROW_S, descriptor=descriptor)
    return [
        block_NC for _, block_NC in blocks_of(inspect_file(path, descriptor), span, lambda _: None)
    ]


def from_start(path: Path, start_s: float) -> np.ndarray:
    blocks = list(blocks_of(inspect_file(path), Span(path), lambda _: None))
    whole_NC, rate_hz = np.concatenate([block_NC for _, block_NC in blocks]), blocks[0][0]
    return whole_NC[round(start_s * rate_hz) :][: round(ROW_S * rate_hz)]


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(audio=0))


@pytest.mark.parametrize("name", KINDS)
def test_rows_in_order_decode_each_frame_once(name: str, folder: Path, counted: Counted) -> None:
    rows = [row(folder / name, start_s) for start_s in ROWS]
    assert counted() <= frames_of(folder / name)
    for start_s, blocks in zip(ROWS[::5], rows[::5], strict=True):
        assert np.array_equal(np.concatenate(blocks), from_start(folder / name, start_s))


@pytest.mark.parametrize("name", KINDS)
def test_rows_in_any_order_have_the_samples_of_decoding_from_the_start(
    name: str, folder: Path, counted: Counted
) -> None:
    order = [ROWS[-1], *np.random.default_rng(0).permutation(ROWS)[:6].tolist()]
    rows = [row(folder / name, start_s) for start_s in order]
    if name in EXACT:  # 3 s of a row, 2 s to warm up, and groups of a few seconds
        assert counted() <= frames_of(folder / name) * (1 + 6 * 14 / SECONDS)
    for start_s, blocks in zip(order[::3], rows[::3], strict=True):
        assert np.array_equal(np.concatenate(blocks), from_start(folder / name, start_s))


def test_a_fork_opens_the_file_itself(folder: Path, counted: Counted) -> None:
    """It would share the place in the file, and each would read what the other left out."""
    path = folder / "a.m4a"
    row(path, 10.0)
    before = counted()
    child = os.fork()
    if not child:
        row(path, 20.0)
        os._exit(counted() - before < 20 * 48_000 / 1024)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert np.array_equal(np.concatenate(row(path, 20.0)), from_start(path, 20.0))


def test_overlapping_rows_go_on(folder: Path, counted: Counted) -> None:
    first, second = (row(folder / "a.m4a", start_s) for start_s in (60.0, 58.5))
    assert counted() < 66 * 48_000 / 1024
    assert np.array_equal(np.concatenate(first)[:48_000], np.concatenate(second)[72_000:][:48_000])


def test_a_file_that_was_replaced_is_another_recording(
    tmp_path: Path, folder: Path, counted: Counted
) -> None:
    path = tmp_path / "a.webm"
    path.write_bytes((folder / "a.webm").read_bytes())
    row(path, 60.0)
    path.unlink()
    encode(path, noise(SECONDS, seed=1), "webm", "libopus")
    found = np.concatenate(row(path, 62.0))
    assert np.array_equal(found, from_start(path, 62.0))


def open_below(folder: Path) -> list[str]:
    links = [each.resolve() for each in Path("/proc/self/fd").iterdir()]
    return sorted(each.name for each in links if each.parent == folder)


def test_only_the_last_recording_stays_open(tmp_path: Path, folder: Path, counted: Counted) -> None:
    for name in ("a.m4a", "b.m4a"):
        (tmp_path / name).write_bytes((folder / "a.m4a").read_bytes())
        with (tmp_path / name).open("rb") as file:
            row(tmp_path / name, 1.0, file.fileno())
        assert open_below(tmp_path) == [name]
    assert len(row(tmp_path / "a.m4a", 2.0)) > 0
    write_clip(tmp_path / "c.wav", noise(1.0))
    for whole in ("c.wav", "b.m4a"):
        row(tmp_path / "a.m4a", 4.0)
        span = Span(tmp_path / whole)
        assert list(blocks_of(inspect_file(tmp_path / whole), span, lambda _: None))
        assert open_below(tmp_path) == []
