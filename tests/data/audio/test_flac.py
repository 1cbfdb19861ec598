"""FLAC with a count of samples that is missing or wrong."""

import random
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf
from clips import cut, tone, write_clip

from mothertongue.data.audio.headers import inspect_file
from mothertongue.data.audio.load import AudioError, load_audio

COUNT_AT = slice(21, 26)


def piped(path: Path, seconds: float = 2.0) -> Path:
    """A file as `ffmpeg ... - > path` leaves it: FFmpeg cannot go back to write the count."""

    class Pipe:
        def __init__(self) -> None:
            self.content = b""

        def write(self, content: bytes) -> int:
            self.content += content
            return len(content)

    pipe = Pipe()
    with av.open(pipe, "w", format="flac") as output:
        stream = output.add_stream("flac", rate=16_000, layout="mono")
        samples_N = (tone(seconds) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples_N[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        resampler = av.AudioResampler("s16", "mono", 16_000, stream.codec_context.frame_size)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    path.write_bytes(pipe.content)
    return path


def with_count(path: Path, count: int) -> Path:
    content = bytearray(path.read_bytes())
    first = content[COUNT_AT.start] & 0xF0
    content[COUNT_AT] = (first << 32 | count).to_bytes(5, "big")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("before", [b"", b"ID3\x03\0\0\0\0\0\x0a" + bytes(10)], ids=["", "ID3"])
def test_flac_from_a_pipe_is_read_by_its_real_length(tmp_path: Path, before: bytes) -> None:
    path = piped(tmp_path / "a.flac")
    assert path.read_bytes()[COUNT_AT][-4:] == bytes(4)
    path.write_bytes(before + path.read_bytes())
    samples_N = load_audio(path)
    np.testing.assert_allclose(samples_N, tone(2.0), atol=1e-3)
    part_N = load_audio(path, start_s=0.5, duration_s=0.25)
    np.testing.assert_array_equal(part_N, samples_N[8_000:12_000])
    with pytest.raises(AudioError, match=r"AUD-LONG: .* 2.00 s; expected at most 1 s"):
        load_audio(path, max_duration_s=1.0)


def test_damaged_flac_from_a_pipe_is_refused(tmp_path: Path) -> None:
    path = piped(tmp_path / "a.flac")
    content, rng = path.read_bytes(), random.Random(0)
    sound = content.index(b"\xff\xf8")
    for _ in range(50):
        damaged = bytearray(content)
        damaged[rng.randrange(sound, len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(AudioError):
            load_audio(path)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_cut_flac_from_a_pipe_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(AudioError, match=r"AUD-TRUNCATED: .* last FLAC frame"):
        inspect_file(cut(piped(tmp_path / "a.flac"), share))


@pytest.mark.parametrize(
    ("count", "code"), [(8_000, "AUD-CORRUPT"), (32_001, "AUD-TRUNCATED"), (2**36 - 1, "AUD-TRUNC")]
)
def test_a_wrong_count_is_refused(tmp_path: Path, count: int, code: str) -> None:
    path = with_count(write_clip(tmp_path / "a.flac", tone(2.0)), count)
    with pytest.raises(AudioError, match=f"{code}.* claims {count:,} samples, the file has 32,000"):
        inspect_file(path)


@pytest.mark.parametrize("num_samples", [1, 192, 4_096, 4_097, 44_100 * 5])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_last_frame_of_every_length_is_found(
    tmp_path: Path, num_samples: int, channels: int
) -> None:
    rng = np.random.default_rng(0)
    samples_NC = rng.uniform(-1, 1, (num_samples, channels))
    path = tmp_path / "a.flac"
    sf.write(path, samples_NC, 44_100, subtype="PCM_24")
    assert inspect_file(path) == "flac"
