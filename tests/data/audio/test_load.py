import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from clips import cut, encode, flip, patch, tone, write_clip
from hypothesis import given
from hypothesis import strategies as st

from mothertongue.data.audio import load as audio
from mothertongue.data.audio.decoders import Span
from mothertongue.data.audio.headers import inspect_file
from mothertongue.data.audio.load import (
    SAMPLE_RATE_HZ,
    AudioError,
    decode,
    load_audio,
    split_at_quiet,
    stream_span,
)

NATIVE = (
    *("a.wav", "a.flac", "a.mp3", "a.ogg", "a.opus", "a.aiff", "a.w64", "a.au", "a.caf", "a.sph"),
)
FFMPEG = {
    "a.m4a": ("mp4", "aac"),
    "a.webm": ("webm", "libopus"),
    "a.aac": ("adts", "aac"),
}


def written(folder: Path, name: str, seconds: float = 2.0) -> Path:
    path = folder / name
    if name in FFMPEG:
        return encode(path, tone(seconds), *FFMPEG[name])
    return write_clip(path, tone(seconds))


def pitch_hz(samples_N: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples_N * np.hanning(len(samples_N))))
    return float(spectrum.argmax() * SAMPLE_RATE_HZ / len(samples_N))


@pytest.mark.parametrize("name", [*NATIVE, *FFMPEG])
def test_every_format_gives_the_same_sound(tmp_path: Path, name: str) -> None:
    samples_N = load_audio(written(tmp_path, name))
    assert samples_N.dtype == np.float32
    assert samples_N.ndim == 1
    assert len(samples_N) == pytest.approx(2 * SAMPLE_RATE_HZ, abs=1000)
    assert pitch_hz(samples_N) == pytest.approx(440, abs=2)
    assert np.sqrt(np.mean(samples_N**2)) == pytest.approx(1 / 3 / np.sqrt(2), abs=0.02)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_every_wav_width_agrees_with_16_bits(tmp_path: Path, subtype: str) -> None:
    expected = load_audio(write_clip(tmp_path / "16.wav", tone()))
    found = load_audio(write_clip(tmp_path / "other.wav", tone(), subtype=subtype))
    np.testing.assert_allclose(found, expected, atol=0.02)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000, 192_000])
def test_every_rate_becomes_16_khz(tmp_path: Path, rate_hz: int) -> None:
    path = write_clip(tmp_path / "a.wav", tone(1.5, rate_hz=rate_hz), rate_hz)
    samples_N = load_audio(path)
    assert len(samples_N) == pytest.approx(1.5 * SAMPLE_RATE_HZ, abs=1)
    assert pitch_hz(samples_N) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("num_channels", [2, 6, 8])
def test_channels_are_averaged(tmp_path: Path, num_channels: int) -> None:
    channels = np.stack([tone()] + [np.zeros(SAMPLE_RATE_HZ, "f4")] * (num_channels - 1), axis=1)
    decoded = decode(write_clip(tmp_path / "a.wav", channels))
    assert decoded.notes == ("AUD-STEREO",)
    np.testing.assert_allclose(decoded.samples_N, tone() / num_channels, atol=1e-3)


def test_channels_that_cancel_are_not_averaged_to_silence(tmp_path: Path) -> None:
    decoded = decode(write_clip(tmp_path / "a.wav", np.stack([tone(), -tone()], axis=1)))
    assert decoded.notes == ("AUD-PHASE",)
    np.testing.assert_allclose(np.abs(decoded.samples_N), np.abs(tone()), atol=1e-3)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.opus", "a.m4a"])
def test_a_part_of_a_file_is_that_part(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, seconds=3.0)
    whole = load_audio(path)
    part = load_audio(path, start_s=1.0, duration_s=0.5)
    assert len(part) == SAMPLE_RATE_HZ // 2
    # The resampler starts from silence, so the first milliseconds may differ.
    np.testing.assert_allclose(part[80:], whole[SAMPLE_RATE_HZ:][80 : len(part)], atol=0.05)


def test_a_file_with_many_clips_is_checked_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[Path] = []

    def check(path: Path, descriptor: int | None) -> str:
        checked.append(path)
        return inspect_file(path, descriptor)

    monkeypatch.setattr(audio, "inspect_file", check)
    path = written(tmp_path, "a.mp3", seconds=3.0)
    for start_s in (0.0, 1.0, 2.0):
        load_audio(path, start_s, duration_s=0.5)
    assert checked == [path]
    with pytest.raises(AudioError, match="AUD-TRUNCATED"):
        load_audio(cut(path), start_s=0.0, duration_s=0.5)


def test_a_file_longer_than_a_block_is_decoded_whole(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.wav", tone(70.0, rate_hz=44_100), 44_100)
    assert len(load_audio(path)) == pytest.approx(70 * SAMPLE_RATE_HZ, abs=1)


def test_wav_written_to_a_pipe_has_no_length_and_is_taken(tmp_path: Path) -> None:
    path = patch(write_clip(tmp_path / "a.wav", tone()), 40, "<I", 0xFFFFFFFF)
    assert len(load_audio(path)) == SAMPLE_RATE_HZ


def test_wrong_extension_is_noted(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp3", tone()).rename(tmp_path / "a.wav")
    assert decode(path).notes == ("AUD-EXT",)


def test_a_few_db_over_full_scale_are_clipped(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.wav", tone() * 4, subtype="FLOAT")
    assert np.abs(load_audio(path)).max() == 1.0


def not_finite(path: Path) -> Path:
    samples_N = tone()
    samples_N[100] = np.nan
    return write_clip(path.with_suffix(".wav"), samples_N, subtype="FLOAT")


def without_audio_stream(path: Path) -> Path:
    import av

    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        output.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        output.mux(stream.encode(None))
    return path


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def with_content(content: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return write


def wav(path: Path, seconds: float = 2.0) -> Path:
    return write_clip(path.with_suffix(".wav"), tone(seconds))


# (code, what the message says, what makes the file)
FAULTS: dict[str, tuple[str, str, Callable[[Path], Path]]] = {
    "missing": ("AUD-MISSING", "No such file", lambda path: path),
    "folder": ("AUD-FILE", "not a regular file", lambda path: path.parent),
    "fifo": ("AUD-FILE", "not a regular file", fifo),
    "device": ("AUD-FILE", "not a regular file", lambda path: Path("/dev/zero")),
    "empty": ("AUD-EMPTY", "0 bytes", with_content(b"")),
    "header only": ("AUD-EMPTY", "holds no samples", lambda path: wav(path, 0.0)),
    "text": ("AUD-FORMAT", "starts with b'<html>40'", with_content(b"<html>404 not found")),
    "zeros": ("AUD-FORMAT", "expected one of aac, aiff", with_content(bytes(4096))),
    "playlist": ("AUD-FORMAT", "starts with", with_content(b"#EXTM3U\nfile:///etc/passwd\n")),
    "short magic": ("AUD-FORMAT", "starts with", with_content(b"\xff")),
    "magic only": ("AUD-HEADER", "no fmt chunk", with_content(b"RIFF\0\0\0\0WAVE")),
    "cut wav": ("AUD-TRUNCATED", "header claims 64,000 bytes", lambda path: cut(wav(path))),
    "cut flac": ("AUD-TRUNCATED", "last FLAC", lambda path: cut(written(path.parent, "a.flac"))),
    "cut mp3": ("AUD-TRUNCATED", "MP3 frames", lambda path: cut(written(path.parent, "a.mp3"))),
    "cut ogg": ("AUD-TRUNCATED", "last Ogg page", lambda path: cut(written(path.parent, "a.ogg"))),
    "cut opus": ("AUD-TRUNCATED", "last Ogg", lambda path: cut(written(path.parent, "a.opus"))),
    "cut m4a": ("AUD-TRUNCATED", "claims", lambda path: cut(written(path.parent, "a.m4a"))),
    "cut webm": ("AUD-TRUNCATED", "claims", lambda path: cut(written(path.parent, "a.webm"))),
    "flipped flac": ("AUD-CORRUPT", "flac", lambda path: flip(written(path.parent, "a.flac"))),
    "flipped opus": ("AUD-CORRUPT", "checksum", lambda path: flip(written(path.parent, "a.opus"))),
    "flipped m4a": ("AUD-CORRUPT", "Invalid", lambda path: flip(written(path.parent, "a.m4a"))),
    "7 bits": ("AUD-HEADER", "7 bits, 1 channels", lambda path: patch(wav(path), 34, "<H", 7)),
    "0 channels": ("AUD-HEADER", "0 channels", lambda path: patch(wav(path), 22, "<H", 0)),
    "65535 channels": ("AUD-HEADER", "65535 ch", lambda path: patch(wav(path), 22, "<H", 65535)),
    "0 Hz": ("AUD-HEADER", "0 Hz", lambda path: patch(wav(path), 24, "<I", 0)),
    "1 Hz": ("AUD-HEADER", "1 Hz and 1 channels", lambda path: patch(wav(path), 24, "<I", 1)),
    "1 GHz": ("AUD-HEADER", "1,000,000,000 Hz", lambda path: patch(wav(path), 24, "<I", 10**9)),
    "NaN": ("AUD-NONFINITE", "NaN or infinite", not_finite),
    "integers as floats": (
        "AUD-RANGE",
        "peaks at 10,9",
        lambda path: write_clip(path.with_suffix(".wav"), tone() * 32768, subtype="FLOAT"),
    ),
    "video only": ("AUD-NOSTREAM", "no audio stream", without_audio_stream),
    "fake m4a": ("AUD-CORRUPT", "", with_content(b"\0\0\0\x18ftypM4A " + bytes(500))),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_has_its_code_and_says_what_to_do(tmp_path: Path, name: str) -> None:
    code, message, make = FAULTS[name]
    path = make(tmp_path / "clip.m4a")
    with pytest.raises(AudioError) as caught:
        load_audio(path)
    assert caught.value.code == code
    assert message in caught.value.reason
    assert str(path) in str(caught.value)
    assert caught.value.fix
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_bomb_is_refused_from_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.flac", np.zeros(600 * SAMPLE_RATE_HZ, np.float32))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(sf.SoundFile, "read", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(AudioError, match=r"AUD-LONG: .* 600.00 s; expected at most 30 s"):
        load_audio(path, max_duration_s=30.0)


def test_a_bomb_without_a_length_is_stopped_while_decoding(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.webm", tone(5.0), "webm", "libopus", live="1")
    with pytest.raises(AudioError, match="AUD-LONG"):
        load_audio(path, max_duration_s=2.0)


def test_a_part_beyond_the_end_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.wav", tone(2.0))
    with pytest.raises(AudioError, match=r"ends at 2.00 s; the row asks for 1.50 s from 1.00 s"):
        load_audio(path, start_s=1.0, duration_s=1.5)


@pytest.mark.parametrize("kind", ["text", "zeros", "cut mp3", "cut ogg"])
def test_decoders_print_nothing(
    tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AudioError):
        load_audio(FAULTS[kind][2](tmp_path / "clip.mp3"))
    assert capfd.readouterr() == ("", "")


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40), st.floats(0.06, 2.0))
def test_pieces_join_up_to_the_input(levels: list[float], max_s: float) -> None:
    samples_N = np.repeat(np.asarray(levels, np.float32), 1111)
    pieces = split_at_quiet(samples_N, max_s)
    np.testing.assert_array_equal(np.concatenate(pieces), samples_N)
    assert all(0 < len(piece) <= max_s * SAMPLE_RATE_HZ for piece in pieces)


def test_cut_is_in_the_pause(tmp_path: Path) -> None:
    samples_N = np.concatenate([tone(25.0), np.zeros(1600, np.float32), tone(10.0)])
    first, second = split_at_quiet(samples_N)
    assert 25.0 <= len(first) / SAMPLE_RATE_HZ <= 25.1
    assert len(first) + len(second) == len(samples_N)


def test_too_short_a_piece_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected at least 0\.06"):
        split_at_quiet(tone(), max_s=0.05)


@pytest.mark.parametrize("name", ["a.wav", "a.m4a"])
def test_a_file_that_is_open_is_read_from_its_beginning(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    expected = load_audio(path)
    with path.open("rb") as file:
        path.unlink()
        file.seek(100)
        span = Span(path, descriptor=file.fileno())
        for _ in range(2):
            found = np.concatenate([*stream_span(span, pytest.fail)])
            np.testing.assert_array_equal(found, expected)
