"""Small whole recordings of every container and codec that we read, and ways to damage them."""

import io
import struct
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
import soundfile as sf
from clips import encode, tone

SECONDS, RATE_HZ = 1.0, 16_000
SOUNDFILE: dict[str, dict[str, Any]] = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "rifx.wav": {"format": "WAV", "subtype": "PCM_16", "endian": "BIG"},
    "rf64.wav": {"format": "RF64", "subtype": "PCM_16"},
    "w64": {"format": "W64", "subtype": "PCM_16"},
    "aiff": {"format": "AIFF", "subtype": "PCM_16"},
    "au": {"format": "AU", "subtype": "PCM_16"},
    "caf": {"format": "CAF", "subtype": "PCM_16"},
    "sph": {"format": "NIST", "subtype": "PCM_16"},
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3"},
}
FFMPEG: dict[str, tuple[str, str, dict[str, str]]] = {
    "m4a": ("mp4", "aac", {}),
    "fast.m4a": ("mp4", "aac", {"movflags": "faststart"}),
    "frag.m4a": ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    "webm": ("webm", "libopus", {}),
    "aac": ("adts", "aac", {}),
}
FORMATS = (*SOUNDFILE, *FFMPEG)


@cache
def whole(name: str, seconds: float = SECONDS) -> bytes:
    """A recording in one of FORMATS, made once."""
    if name in FFMPEG:
        container, codec, options = FFMPEG[name]
        return _by_ffmpeg(speechlike(seconds), container, codec, options)
    return by_soundfile(speechlike(seconds), **SOUNDFILE[name])


def speechlike(seconds: float) -> np.ndarray:
    """A tone that swells, with a little noise: no two of its blocks are alike, (N,) at 16 kHz."""
    tone_N = tone(seconds)
    noise_N = np.random.default_rng(0).standard_normal(len(tone_N))
    return (tone_N * np.linspace(0.2, 1, len(tone_N)) + 0.01 * noise_N).astype(np.float32)


def by_soundfile(samples: np.ndarray, rate_hz: int = RATE_HZ, **options: Any) -> bytes:
    """The bytes of a file that libsndfile writes; a WAV of 16 bits without options."""
    buffer = io.BytesIO()
    sf.write(buffer, samples, rate_hz, **(options or SOUNDFILE["wav"]))
    return buffer.getvalue()


def packed(data: bytes, offset: int, layout: str, value: float) -> bytes:
    """The same file with one header field overwritten."""
    copy = bytearray(data)
    struct.pack_into(layout, copy, offset, value)
    return bytes(copy)


def cut(data: bytes, share: float) -> bytes:
    """Its beginning."""
    return data[: int(len(data) * share)]


def flipped(data: bytes, count: int = 40) -> bytes:
    """The same file with so many bytes in its middle inverted."""
    middle = len(data) // 2
    inverted = bytes(byte ^ 0xFF for byte in data[middle : middle + count])
    return data[:middle] + inverted + data[middle + count :]


def video_only() -> bytes:
    """An MP4 without a sound track."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "video"
        with av.open(str(path), "w", format="mp4") as output:
            stream = output.add_stream("mpeg4", rate=5)
            stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
            output.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
            output.mux(stream.encode(None))
        return path.read_bytes()


def _by_ffmpeg(samples_N: np.ndarray, container: str, codec: str, options: dict[str, str]) -> bytes:
    with TemporaryDirectory() as folder:
        return encode(Path(folder) / "sound", samples_N, container, codec, **options).read_bytes()
