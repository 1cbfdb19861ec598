"""Decoders whose frames change, that raise something else, or that cost too much."""

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf
from clips import encode, patch, tone, write_clip

from mothertongue.data.audio import decoders as audio_decoders
from mothertongue.data.audio.load import AudioError, decode, load_audio


def mp3_in_matroska(path: Path, kinds: list[tuple[int, int]]) -> Path:
    """A second for each rate in Hz and number of channels, in one stream."""
    with av.open(str(path), "w", format="matroska") as output:
        stream = output.add_stream("libmp3lame", rate=kinds[0][0])
        for number, (rate_hz, channels) in enumerate(kinds):
            samples_NC = np.stack([tone(rate_hz=rate_hz)] * channels, axis=1)
            clip = write_clip(path.with_suffix(".mp3"), samples_NC, rate_hz)
            with av.open(str(clip)) as container:
                contents = [bytes(packet) for packet in container.demux() if packet.size]
            for i, content in enumerate(contents):
                packet = av.Packet(content)
                packet.time_base, packet.stream = Fraction(1, 1000), stream
                packet.pts = packet.dts = number * 1000 + i * 1000 // len(contents)
                output.mux(packet)
    return path


def test_frames_that_are_alike_are_decoded(tmp_path: Path) -> None:
    path = mp3_in_matroska(tmp_path / "a.mka", [(48_000, 1), (48_000, 1)])
    assert len(load_audio(path)) == pytest.approx(2 * 16_000, abs=2_000)


# Channels fewer than at first: memory that is no frame's. Another rate: another speed.
@pytest.mark.parametrize("other", [(48_000, 1), (24_000, 2)])
def test_frames_that_change_are_refused(tmp_path: Path, other: tuple[int, int]) -> None:
    path = mp3_in_matroska(tmp_path / "a.mka", [(48_000, 2), other])
    with pytest.raises(
        AudioError, match=r"AUD-CORRUPT.* changes from 48,000 Hz, 2 channels, fltp to"
    ):
        load_audio(path)


def with_unknown_codec(path: Path) -> Path:
    path = encode(path, tone(), "webm", "libopus")
    path.write_bytes(path.read_bytes().replace(b"A_OPUS", b"A_NONE"))
    return path


def without_parameters(path: Path) -> Path:
    """AAC frames of nothing, of which FFmpeg learns neither rate nor channels."""
    head = bytes.fromhex("fff15080101ffc")
    path.write_bytes((head + b"\xff" * 121) * 50)
    return path


def of_another_codec(path: Path) -> Path:
    return encode(path, tone(), "matroska", "mp2")


# The number of its track is unknown: left out. It has three bytes: taken for the file's end.
@pytest.mark.parametrize("number", [0x85, 0x3F])
def test_a_damaged_block_is_not_left_out(tmp_path: Path, number: int) -> None:
    path = encode(tmp_path / "a.webm", tone(3.0), "webm", "libopus", live="1")
    content = path.read_bytes()
    # A block begins with its track's number, two bytes of time and flags.
    blocks = [i for i in range(500, len(content)) if content[i : i + 4 : 3] == b"\x81\x80"]
    path = patch(path, blocks[len(blocks) // 2], "B", number)
    with pytest.raises(AudioError, match=r"AUD-CORRUPT: .* of 15\d blocks could be decoded"):
        load_audio(path)


UNDECODABLE: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "a.webm": ("has no audio of a codec that is known", with_unknown_codec),
    "a.aac": ("has no audio of a codec that is known", without_parameters),
    "a.mka": ("its audio is mp2.*; expected one of aac, ", of_another_codec),
}


@pytest.mark.parametrize("name", UNDECODABLE)
def test_a_stream_that_no_decoder_takes_is_refused(tmp_path: Path, name: str) -> None:
    reason, make = UNDECODABLE[name]
    with pytest.raises(AudioError, match=f"AUD-NOSTREAM: .*{name}: {reason}"):
        load_audio(make(tmp_path / name))


@pytest.mark.parametrize("name", ["a.wav", "a.m4a"])
def test_whatever_a_decoder_raises_is_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    if name == "a.wav":
        write_clip(path, tone())
        monkeypatch.setattr(sf.SoundFile, "read", lambda *_, **__: [][0])
    else:
        encode(path, tone(), "mp4", "aac")
        monkeypatch.setattr(av, "AudioResampler", lambda **_: None)
    with pytest.raises(AudioError, match=f"AUD-CORRUPT: .*{name}: ") as caught:
        load_audio(path)
    assert caught.value.__cause__


def test_a_size_that_ffmpeg_finds_no_memory_for_is_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise av.error.MemoryError(12, "Cannot allocate memory")

    path = encode(tmp_path / "a.m4a", tone(), "mp4", "aac")
    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(AudioError, match=r"AUD-CORRUPT: .*a.m4a: Cannot allocate memory"):
        load_audio(path)


def test_memory_that_ran_out_is_not_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(sf.SoundFile, "read", read)
    with pytest.raises(MemoryError):
        load_audio(write_clip(tmp_path / "a.wav", tone()))


def test_many_channels_at_a_high_rate_are_refused_from_the_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(tmp_path / "a.flac", np.zeros((1_000_000, 8), np.float32), 192_000)
    monkeypatch.setattr(audio_decoders, "SAMPLES", 7_000_000)
    monkeypatch.setattr(sf.SoundFile, "read", lambda *_, **__: pytest.fail("decoded"))
    reason = r"AUD-LONG: .* 8,000,000 samples in all channels; expected at most 7,000,000"
    with pytest.raises(AudioError, match=reason):
        load_audio(path, max_duration_s=30.0)


def test_many_samples_without_a_header_are_refused_while_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "a.webm", tone(5.0), "webm", "libopus", live="1")
    monkeypatch.setattr(audio_decoders, "SAMPLES", 100_000)
    monkeypatch.setattr(audio_decoders, "SAMPLES_PER_S", 1_000)
    with pytest.raises(AudioError, match=r"AUD-LONG: .* expected at most 100,000; export it with"):
        load_audio(path, max_duration_s=30.0)


def test_a_minute_of_any_rate_and_channels_is_taken() -> None:
    span = audio_decoders.Span(Path("a.wav"), 0.0, None, 1.0)
    audio_decoders.check_samples(span, 60 * 192_000 * 8)


@pytest.mark.parametrize("suffix", [b".wav", b".flac", b".m4a"])
def test_a_name_that_is_not_utf8_is_no_fault(tmp_path: Path, suffix: bytes) -> None:
    path = tmp_path / f"a{suffix.decode()}"
    if suffix == b".m4a":
        encode(path, tone(), "mp4", "aac")
    else:
        write_clip(path, tone())
    odd = path.rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9" + suffix))
    assert len(load_audio(odd)) == pytest.approx(16_000, abs=1_000)


def test_the_sound_of_a_film_is_taken(tmp_path: Path) -> None:
    """FFmpeg may open no decoder of pictures, and needs none."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", format="mp4") as output:
        video, audio = output.add_stream("mpeg4", rate=5), output.add_stream("aac", rate=16_000)
        audio.layout = "mono"
        video.width, video.height, video.pix_fmt = 16, 16, "yuv420p"
        for _ in range(5):
            output.mux(video.encode(av.VideoFrame(16, 16, "yuv420p")))
        samples_N = tone()
        for start in range(0, len(samples_N), 1024):
            frame = av.AudioFrame.from_ndarray(
                samples_N[None, start : start + 1024], "fltp", "mono"
            )
            frame.sample_rate = 16_000
            output.mux(audio.encode(frame))
        output.mux([*video.encode(None), *audio.encode(None)])
    assert decode(path).notes == ()
    assert len(load_audio(path)) == pytest.approx(16_000, abs=1_500)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        *(("mov", "pcm_s16le"), ("mov", "pcm_s24be"), ("mp4", "alac"), ("mp4", "ac3")),
        *(
            ("mp4", "libmp3lame"),
            ("mp4", "libopus"),
            ("matroska", "aac"),
            ("matroska", "pcm_s16le"),
        ),
    ],
)
def test_the_codecs_of_recordings_are_taken(tmp_path: Path, container: str, codec: str) -> None:
    path = encode(tmp_path / "a.mka", tone(), container, codec)
    assert len(load_audio(path)) == pytest.approx(16_000, abs=1_600)
