"""Decode audio to blocks of samples, with soundfile, or PyAV if only FFmpeg reads the format.

The result must match the header, because both decoders continue after damage without an error.
"""

import math
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile as sf

from mothertongue.data.audio.chunks import count_blocks
from mothertongue.data.audio.file import EXPORT_AGAIN, AudioError, identity, kept_open, open_again
from mothertongue.data.audio.flac import FlacWithCount
from mothertongue.data.audio.mpeg_frames import has_frame_count
from mothertongue.data.audio.recordings import Frame, Placed, Recordings

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 192_000
MAX_CHANNELS = 8
BLOCK_FRAMES = 1 << 20  # 65 s at 16 kHz, 5 s at 192 kHz
# Decoding takes some 20 ns a sample. Two channels at 96 kHz may last as long as is allowed; of more
# than that so much is always taken, that a clip of a minute may have any rate and channels.
SAMPLES_PER_S, SAMPLES = 2 * 96_000, 60 * MAX_RATE_HZ * MAX_CHANNELS
NO_COUNT = 2**63 - 1  # libsndfile's frames of a FLAC file whose header has no count
# A decoder may miss this much of what the header promised: MP3 and AAC pad both ends, and MP4 and
# WebM promise for their longest stream, which may be the picture.
MISSING_RATIO, MISSING_S, MOST_MISSING_S = 0.02, 0.1, 1.0
# Only these FFmpeg demuxers, so that a playlist named .m4a cannot make it open other files.
PYAV_FORMATS = {"mp4": "mov", "webm": "matroska", "aac": "aac", "amr": "amr", "mp3": "mp3"}
PYAV_ESTIMATES_LENGTH = ("aac", "amr", "mp3")
# What these containers hold. FFmpeg would open any of its 500 decoders, of pictures too.
CODECS = (
    *("aac", "ac3", "alac", "amrnb", "amrwb", "eac3", "flac", "mp3", "mp3float", "opus", "vorbis"),
    *("pcm_alaw", "pcm_f32be", "pcm_f32le", "pcm_mulaw", "pcm_s16be", "pcm_s16le", "pcm_s24be"),
    *("pcm_s24le", "pcm_s32be", "pcm_s32le", "pcm_u8"),
)
WHITELIST = {"codec_whitelist": ",".join(CODECS)}
RECORDINGS = Recordings()

Samples = npt.NDArray[np.float32]
Block = tuple[int, Samples]  # the sample rate in Hz, and block_NC


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a file to decode. `duration_s` None means up to its end."""

    path: Path
    start_s: float = 0.0
    duration_s: float | None = None
    max_duration_s: float = math.inf
    descriptor: int | None = None
    """The open file, where it is open already; `path` is then only its name."""


def blocks_of(container: str, span: Span, note: Callable[[str], None]) -> Generator[Block]:
    """Yield the samples of a span in blocks, in order. `container` is as `inspect_file` gives it.

    Raises AudioError AUD-HEADER, AUD-LONG, AUD-TRUNCATED, AUD-CORRUPT or AUD-NOSTREAM, and
    AUD-CORRUPT for whatever else a decoder raises.
    """
    try:
        if _is_for_pyav(container, span):
            yield from _pyav_blocks(span, PYAV_FORMATS[container], note)
        else:
            RECORDINGS.close()
            yield from _soundfile_blocks(span)
    except AudioError:
        raise
    except Exception as error:
        # FFmpeg means a size that no file has.
        if isinstance(error, MemoryError) and not isinstance(error, av.FFmpegError):
            raise
        reason = getattr(error, "error_string", None) or getattr(error, "strerror", None)
        raise fault("AUD-CORRUPT", span, (reason or str(error)).strip(), EXPORT_AGAIN) from error


def _is_for_pyav(container: str, span: Span) -> bool:
    if container == "mp3":
        # libsndfile would read as many samples as the size and the first frame's bit rate suggest.
        return not has_frame_count(span.path, span.descriptor)
    return container in PYAV_FORMATS


def _soundfile_blocks(span: Span) -> Generator[Block]:
    with _opened(span) as file:
        duration_s = file.frames / _plausible(span, file.samplerate, file.channels)
        wanted = round(_wanted_s(span, duration_s) * file.samplerate)
        check_samples(span, wanted * file.channels)
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


@contextmanager
def _opened(span: Span) -> Iterator[Any]:
    with (
        open_again(span.path, span.descriptor) as source,
        sf.SoundFile(source.fileno(), closefd=False) as file,
    ):
        if file.frames != NO_COUNT:
            yield file
            return
    with FlacWithCount(span.path, span.descriptor) as counted, sf.SoundFile(counted) as file:
        yield file


def _pyav_blocks(span: Span, format_name: str, note: Callable[[str], None]) -> Generator[Block]:
    with _pyav_opened(span, format_name, note) as (container, stream):
        total_s = None
        if format_name not in PYAV_ESTIMATES_LENGTH and container.duration:
            total_s = container.duration / av.time_base
        if span.duration_s is None or not span.start_s:  # a whole file, or a first row
            RECORDINGS.close()
            frames = _placed(_pyav_frames(span, container, stream))
            yield from _pyav_span(span, frames, stream, total_s)
            return
        decoder = _FileDecoder(span, format_name, container, stream)
        with RECORDINGS.taken(identity(span.path, span.descriptor)) as recording:
            bounds = _bounds(span, recording.rate_hz)
            yield from _pyav_span(span, recording.frames(decoder, *bounds), stream, total_s)


@contextmanager
def _pyav_opened(
    span: Span, format_name: str, note: Callable[[str], None]
) -> Iterator[tuple[Any, Any]]:
    """Open a file; yield its container and the stream to decode."""
    options = WHITELIST | {"format_whitelist": format_name}
    with (
        open_again(span.path, span.descriptor) as source,
        av.open(
            source, "r", format=format_name, options=options, metadata_errors="ignore"
        ) as container,
    ):
        stream = _audio_stream(span, container, note)
        # FFmpeg's default is to conceal what it cannot decode and to go on.
        stream.codec_context.options = WHITELIST | {"err_detect": "explode"}
        yield container, stream


@dataclass(frozen=True, slots=True)
class _FileDecoder:
    """A decoder of the rows of a recording."""

    span: Span
    format_name: str
    container: Any
    stream: Any

    def frames(self) -> Generator[Frame]:
        """Yield all frames; the file stays open as long as the generator is used."""
        with (
            kept_open(self.span.descriptor) as descriptor,
            _pyav_opened(
                span := replace(self.span, descriptor=descriptor), self.format_name, lambda _: None
            ) as (container, stream),
        ):
            yield from _pyav_frames(span, container, stream)

    def frames_from(self, pts: int) -> Iterator[Frame]:
        """Yield frames from the frame with this time on, or from one before it."""
        self.container.seek(pts, stream=self.stream)
        return _pyav_decoded(self.span, self.container.decode(self.stream))


def _pyav_frames(span: Span, container: Any, stream: Any) -> Iterator[Frame]:
    """Yield all frames of a file that was just opened."""
    is_webm = container.format.name.startswith("matroska")
    decoded = _webm_frames(span, container, stream) if is_webm else container.decode(stream)
    return _pyav_decoded(span, decoded)


def _placed(frames: Iterator[Frame]) -> Iterator[Placed]:
    """Yield each frame with the number of its first sample."""
    position = 0
    for frame in frames:
        yield position, frame
        position += len(frame.block_NC)


def _webm_frames(span: Span, container: Any, stream: Any) -> Iterator[Any]:
    """Yield the frames of a stream. FFmpeg skips a damaged block, or stops there."""
    num_blocks, position = 0, None
    for packet in container.demux():
        if packet.pos not in (position, None):  # a block may hold several packets
            num_blocks, position = num_blocks + 1, packet.pos
        if packet.stream is stream:
            yield from packet.decode()
    claimed = count_blocks(span.path, span.descriptor)
    if num_blocks < claimed:
        reason = f"{num_blocks:,} of {claimed:,} blocks could be decoded"
        raise fault("AUD-CORRUPT", span, reason, EXPORT_AGAIN)


def _audio_stream(span: Span, container: Any, note: Callable[[str], None]) -> Any:
    if not container.streams.audio:
        raise fault("AUD-NOSTREAM", span, "has no audio stream", "export its sound track")
    if len(container.streams.audio) > 1:
        note("AUD-STREAMS")
    stream = container.streams.best("audio")
    if stream is None or stream.codec_context is None:
        raise fault("AUD-NOSTREAM", span, "has no audio of a codec that is known", EXPORT_AGAIN)
    if (codec := stream.codec_context.name) not in CODECS:
        reason = f"its audio is {codec}; expected one of {', '.join(CODECS)}"
        raise fault("AUD-NOSTREAM", span, reason, EXPORT_AGAIN)
    return stream


def _pyav_span(
    span: Span, frames: Iterator[Placed], stream: Any, total_s: float | None
) -> Generator[Block]:
    rate_hz = _plausible(span, stream.rate, stream.codec_context.channels)
    wanted_s = span.duration_s if total_s is None else _wanted_s(span, total_s)
    check_samples(span, (wanted_s or 0) * rate_hz * stream.codec_context.channels)
    position = 0
    for place, frame in frames:
        rate_hz = frame.rate_hz
        first, end = _bounds(span, rate_hz)
        kept_NC = frame.block_NC[max(0, first - place) : max(0, end - place)]
        position = place + len(frame.block_NC)
        if len(kept_NC):
            yield rate_hz, kept_NC
        if position >= end:
            break
    if wanted_s is not None:
        first, end = _bounds(span, rate_hz)
        _check_complete(span, max(0, min(position, end) - first) / rate_hz, wanted_s)


def _pyav_decoded(span: Span, frames: Any) -> Iterator[Frame]:
    """Yield the samples of every frame. All must be like the first one.

    The resampler goes by its first frame: of one with other channels or another format it would
    read memory that is not the frame's. A new rate would change the speed.
    """
    to_float = av.AudioResampler(format="fltp")
    first: tuple[int, int, str] | None = None
    for frame in frames:
        kind = frame.sample_rate, frame.layout.nb_channels, frame.format.name
        if first is None:
            # The header of an AAC stream with SBR states half the rate, so it is not asked.
            _plausible(span, *kind[:2])
            first = kind
        if kind != first:
            raise fault(
                "AUD-CORRUPT", span, f"changes from {_said(first)} to {_said(kind)}", EXPORT_AGAIN
            )
        for part in to_float.resample(frame):
            block_NC: Any = part.to_ndarray().T
            yield Frame(frame.pts, kind[0], block_NC)


def _said(kind: tuple[int, int, str]) -> str:
    return "{:,} Hz, {} channels, {}".format(*kind)


def _bounds(span: Span, rate_hz: int) -> tuple[int, int]:
    """Return the first sample of the span and the one after its last, in each channel."""
    first = round(span.start_s * rate_hz)
    if span.duration_s is None:
        return first, sys.maxsize
    return first, first + round(span.duration_s * rate_hz)


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


def check_samples(span: Span, num_samples: float) -> None:
    """Raise AudioError AUD-LONG if a span has too many samples over all channels."""
    most = max(SAMPLES, span.max_duration_s * SAMPLES_PER_S)
    if num_samples > most:
        reason = f"{num_samples:,.0f} samples in all channels; expected at most {most:,.0f}"
        raise fault("AUD-LONG", span, reason, "export it with one channel and 16,000 Hz")


def _check_complete(span: Span, got_s: float, wanted_s: float) -> None:
    if wanted_s - got_s > max(MISSING_S, min(MISSING_RATIO * wanted_s, MOST_MISSING_S)):
        raise fault(
            "AUD-TRUNCATED",
            span,
            f"the header promises {wanted_s:.2f} s, {got_s:.2f} s could be decoded",
            "copy the recording again, it was cut or damaged",
        )


def too_long(span: Span, got_s: float) -> AudioError:
    """Return the error for a clip of `got_s` seconds or more."""
    return fault(
        "AUD-LONG",
        span,
        f"{got_s:.2f} s; expected at most {span.max_duration_s:g} s",
        "cut it into clips, each with its own text; a row may give start and duration",
    )


def fault(code: str, span: Span, reason: str, fix: str) -> AudioError:
    """Return an AudioError whose reason begins with the clip's path."""
    return AudioError(code, f"{span.path}: {reason}", fix)
