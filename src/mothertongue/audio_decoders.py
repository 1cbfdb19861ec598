"""The decoders: soundfile, and PyAV for what only FFmpeg reads. Blocks of samples, or an error.

Both are held to what the header promised, because both go quietly on after damage.
"""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile as sf

from mothertongue.audio_headers import EXPORT_AGAIN, AudioError, open_again

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 192_000
MAX_CHANNELS = 8
BLOCK_FRAMES = 1 << 20  # 65 s at 16 kHz, 5 s at 192 kHz
# A decoder may miss this much of what the header promised: MP3 and AAC pad both ends.
MISSING_RATIO, MISSING_S = 0.02, 0.1
# Only these FFmpeg demuxers, so that a playlist named .m4a cannot make it open other files.
PYAV_FORMATS = {"mp4": "mov", "webm": "matroska", "aac": "aac", "amr": "amr"}
PYAV_ESTIMATES_LENGTH = ("aac", "amr")

Samples = npt.NDArray[np.float32]
Block = tuple[int, Samples]  # the sample rate in Hz, and block_NC


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a file that is wanted. `duration_s` None is up to its end."""

    path: Path
    start_s: float = 0.0
    duration_s: float | None = None
    max_duration_s: float = math.inf
    max_samples: float = math.inf
    """Of all channels together: what decoding costs."""
    descriptor: int | None = None
    """Of the file where it is open already; `path` is then only its name."""


def blocks_of(container: str, span: Span, note: Callable[[str], None]) -> Generator[Block]:
    """The samples of a span in blocks, in order. `container` is as `inspect_file` gives it.

    Raises AudioError AUD-HEADER, AUD-LONG, AUD-TRUNCATED, AUD-CORRUPT or AUD-NOSTREAM.
    """
    if container in PYAV_FORMATS:
        return _pyav_blocks(span, PYAV_FORMATS[container], note)
    return _soundfile_blocks(span)


def _soundfile_blocks(span: Span) -> Generator[Block]:
    try:
        with (
            open_again(span.path, span.descriptor) as source,
            sf.SoundFile(source.fileno(), closefd=False) as file,
        ):
            duration_s = file.frames / _plausible(span, file.samplerate, file.channels)
            wanted = round(_wanted_s(span, duration_s) * file.samplerate)
            if span.start_s:
                file.seek(round(span.start_s * file.samplerate))
            num_frames = 0
            while num_frames < wanted:
                count = min(BLOCK_FRAMES, wanted - num_frames)
                block_NC = file.read(count, dtype="float32", always_2d=True)
                num_frames += len(block_NC)
                yield file.samplerate, block_NC
                if len(block_NC) < count:
                    # A hole: reading on would give sound from after it, as if nothing were lost.
                    break
            _check_complete(span, num_frames / file.samplerate, wanted / file.samplerate)
    except sf.LibsndfileError as error:
        raise fault("AUD-CORRUPT", span, error.error_string.strip(), EXPORT_AGAIN) from None


def _pyav_blocks(span: Span, format_name: str, note: Callable[[str], None]) -> Generator[Block]:
    """Decoded from the file's start, because FFmpeg's seeking is not exact to the sample."""
    try:
        with (
            open_again(span.path, span.descriptor) as source,
            av.open(source, "r", format=format_name, metadata_errors="ignore") as container,
        ):
            if not container.streams.audio:
                raise fault("AUD-NOSTREAM", span, "has no audio stream", "export its sound track")
            if len(container.streams.audio) > 1:
                note("AUD-STREAMS")
            stream: Any = container.streams.best("audio")
            # FFmpeg's default is to conceal what it cannot decode and to go on.
            stream.codec_context.options = {"err_detect": "explode"}
            total_s = None
            if format_name not in PYAV_ESTIMATES_LENGTH and container.duration:
                total_s = container.duration / av.time_base
            yield from _pyav_span(span, container.decode(stream), stream, total_s)
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise fault("AUD-CORRUPT", span, reason, EXPORT_AGAIN) from None


def _pyav_span(span: Span, frames: Any, stream: Any, total_s: float | None) -> Generator[Block]:
    rate_hz = _plausible(span, stream.rate, stream.codec_context.channels)
    wanted_s = span.duration_s if total_s is None else _wanted_s(span, total_s)
    first = round(span.start_s * rate_hz)
    end = None if span.duration_s is None else first + round(span.duration_s * rate_hz)
    to_float = av.AudioResampler(format="fltp")
    position = 0
    for frame in frames:
        for part in to_float.resample(frame):
            block_NC: Any = part.to_ndarray().T
            start, stop = first - position, None if end is None else end - position
            position += len(block_NC)
            kept_NC = block_NC[max(0, start) : None if stop is None else max(0, stop)]
            if len(kept_NC):
                yield rate_hz, kept_NC
        if end is not None and position >= end:
            break
    if wanted_s is not None:
        got = min(position, end) if end is not None else position
        _check_complete(span, max(0, got - first) / rate_hz, wanted_s)


def _plausible(span: Span, rate_hz: int, num_channels: int) -> int:
    # The byte cap: 192 kHz * 8 channels bound what a forged rate can hide under the duration cap.
    if MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ and 1 <= num_channels <= MAX_CHANNELS:
        return rate_hz
    raise fault(
        "AUD-HEADER",
        span,
        f"{rate_hz:,} Hz and {num_channels} channels; expected {MIN_RATE_HZ:,}-{MAX_RATE_HZ:,} Hz"
        f" and 1-{MAX_CHANNELS} channels",
        EXPORT_AGAIN,
    )


def _wanted_s(span: Span, total_s: float) -> float:
    """Seconds to decode, known before decoding. Raises AudioError AUD-LONG or AUD-TRUNCATED."""
    rest_s = total_s - span.start_s
    wanted_s = rest_s if span.duration_s is None else span.duration_s
    if (span.start_s and rest_s <= 0) or wanted_s > rest_s + MISSING_S:
        raise fault(
            "AUD-TRUNCATED",
            span,
            f"ends at {total_s:.2f} s; the row asks for {wanted_s:.2f} s from {span.start_s:.2f} s",
            "correct the row's start and duration, or copy the recording again",
        )
    if wanted_s > span.max_duration_s:
        raise too_long(span, wanted_s)
    return max(0.0, min(wanted_s, rest_s))


def _check_complete(span: Span, got_s: float, wanted_s: float) -> None:
    if wanted_s - got_s > max(MISSING_S, MISSING_RATIO * wanted_s):
        raise fault(
            "AUD-TRUNCATED",
            span,
            f"the header promises {wanted_s:.2f} s, {got_s:.2f} s could be decoded",
            "copy the recording again, it was cut or damaged",
        )


def too_long(span: Span, got_s: float) -> AudioError:
    """The error for a clip of `got_s` seconds or more."""
    return fault(
        "AUD-LONG",
        span,
        f"{got_s:.2f} s; expected at most {span.max_duration_s:g} s",
        "cut it into clips, each with its own text; a row may give start and duration",
    )


def fault(code: str, span: Span, reason: str, fix: str) -> AudioError:
    """An AudioError whose reason begins with the clip's path."""
    return AudioError(code, f"{span.path}: {reason}", fix)
