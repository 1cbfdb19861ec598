"""Sound whose every property is known, written to files of every format."""

import struct
from pathlib import Path

import av
import numpy as np
import soundfile as sf

RATE_HZ = 16_000


def tone(seconds: float = 1.0, hertz: float = 440.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    """A sine at a third of full scale, (N,)."""
    times_N = np.arange(round(seconds * rate_hz)) / rate_hz
    return (np.sin(2 * np.pi * hertz * times_N) / 3).astype(np.float32)


def write_clip(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ, **options: str) -> Path:
    """A file in the format of its suffix; Opus inside Ogg where the suffix is .opus."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".opus":
        options |= {"format": "OGG", "subtype": "OPUS"}
    elif path.suffix == ".sph":
        options |= {"format": "NIST", "subtype": options.get("subtype", "PCM_16")}
    sf.write(path, samples, rate_hz, **options)
    return path


def encode(path: Path, samples_N: np.ndarray, container: str, codec: str, **options: str) -> Path:
    """A file written by FFmpeg at 48 kHz from 16 kHz samples."""
    with av.open(str(path), "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=48_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples_N[None], format="fltp", layout="mono")
        frame.sample_rate = RATE_HZ
        size = stream.codec_context.frame_size or 960
        resampler = av.AudioResampler(
            format=stream.codec_context.format, layout="mono", rate=48_000, frame_size=size
        )
        for part in resampler.resample(frame) + resampler.resample(None):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return path


def cut(path: Path, share: float = 0.6) -> Path:
    """The same file without its end."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def patch(path: Path, offset: int, layout: str, value: int) -> Path:
    """The same file with one header field overwritten."""
    content = bytearray(path.read_bytes())
    struct.pack_into(layout, content, offset, value)
    path.write_bytes(bytes(content))
    return path


def flip(path: Path) -> Path:
    """The same file with 40 bytes in its middle inverted."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(byte ^ 0xFF for byte in content[middle : middle + 40])
    path.write_bytes(bytes(content))
    return path
