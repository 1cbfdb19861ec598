"""What a worker decodes, or refuses, in every format: the same as this process."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clips import cut, encode, flip, tone, write_clip

from mothertongue.data.audio.decoders import Span
from mothertongue.data.audio.load import AudioError, load_audio
from mothertongue.data.sandbox.pool import Sandbox
from mothertongue.data.sandbox.samples import TASK, stream

NATIVE = ("wav", "flac", "mp3", "ogg", "opus", "aiff", "w64", "au", "caf", "sph")
FFMPEG = {"m4a": ("mp4", "aac"), "webm": ("webm", "libopus"), "aac": ("adts", "aac")}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(TASK) as opened:
        yield opened


def in_sandbox(sandbox: Sandbox, path: Path) -> np.ndarray | str:
    try:
        return np.concatenate([*stream(sandbox, Span(path))])
    except AudioError as error:
        return str(error)


def in_process(path: Path) -> np.ndarray | str:
    try:
        return load_audio(path)
    except AudioError as error:
        return str(error)


@pytest.mark.parametrize("suffix", [*NATIVE, *FFMPEG])
def test_it_is_the_same(sandbox: Sandbox, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"e\u0301 \udcff.{suffix}"
    if suffix in FFMPEG:
        encode(tmp_path / "a", tone(2.0), *FFMPEG[suffix]).rename(path)
    else:
        write_clip(tmp_path / f"a.{suffix}", tone(2.0)).rename(path)
    for damage in (Path.stat, flip, cut):
        damage(path)
        np.testing.assert_array_equal(in_sandbox(sandbox, path), in_process(path))


def test_a_part_and_what_is_longer_than_a_message(sandbox: Sandbox, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.wav", tone(100.0))
    blocks = [*stream(sandbox, Span(path))]
    assert len(blocks) == 2
    np.testing.assert_array_equal(np.concatenate(blocks), load_audio(path))
    (part_N,) = stream(sandbox, Span(path, 70.0, 2.0))
    np.testing.assert_array_equal(part_N, load_audio(path, 70.0, 2.0))
