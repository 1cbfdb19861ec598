"""Load audio files as 16 kHz mono samples: with limits, and never shorter without an error."""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from mothertongue.data.audio.decoders import Block, Span, blocks_of, check_samples, fault, too_long
from mothertongue.data.audio.decoders import Samples as Samples
from mothertongue.data.audio.file import EXPORT_AGAIN
from mothertongue.data.audio.file import AudioError as AudioError
from mothertongue.data.audio.headers import EXTENSIONS, inspect_file

SAMPLE_RATE_HZ = 16_000
MAX_DURATION_S = 4 * 3600.0  # 4 h * 16,000 samples * 4 bytes = 0.9 GB
ANTI_PHASE_RATIO = 0.01  # -20 dB; eight channels of which one is loud still have 1/64
MAX_PEAK = 4.0  # a lossy codec overshoots 1.0 by a few dB; integers stored as floats by far more
FRAME_SAMPLES = SAMPLE_RATE_HZ // 50  # 20 ms


@dataclass(frozen=True, slots=True)
class Decoded:
    """16 kHz mono samples_N in [-1, 1], and the codes of the changes made to them."""

    samples_N: Samples
    notes: tuple[str, ...]


def load_audio(
    path: Path,
    start_s: float = 0.0,
    duration_s: float | None = None,
    max_duration_s: float = MAX_DURATION_S,
) -> Samples:
    """Return the samples of a clip: float32 (N,), 16 kHz, mono, in [-1, 1].

    Raises AudioError with a code: AUD-MISSING, AUD-FILE, AUD-EMPTY, AUD-FORMAT, AUD-HEADER,
    AUD-LONG (over max_duration_s), AUD-TRUNCATED, AUD-CORRUPT, AUD-NONFINITE, AUD-RANGE or
    AUD-NOSTREAM.
    """
    return decode(path, start_s, duration_s, max_duration_s).samples_N


def decode(
    path: Path,
    start_s: float = 0.0,
    duration_s: float | None = None,
    max_duration_s: float = MAX_DURATION_S,
) -> Decoded:
    """Return the samples of `load_audio`, and notes on how they were made.

    Notes: AUD-EXT (content and extension differ), AUD-STEREO (channels were averaged), AUD-PHASE
    (they cancel, so the loudest was taken), AUD-STREAMS (the best of several audio streams).
    """
    notes: set[str] = set()
    blocks = list(stream_span(Span(path, start_s, duration_s, max_duration_s), notes.add))
    return Decoded(np.concatenate(blocks), tuple(sorted(notes)))


def stream_span(span: Span, note: Callable[[str], None]) -> Iterator[Samples]:
    """Yield the samples of a part of a file in blocks; `note` is called with the notes of `decode`.

    Raises AudioError where `load_audio` does.
    """
    container = _inspected(span)
    if span.path.suffix.lower() not in EXTENSIONS[container]:
        note("AUD-EXT")
    num_samples = 0
    with closing(blocks_of(container, span, note)) as blocks:
        for samples_N in _resampled(span, blocks, note):
            num_samples += len(samples_N)
            if num_samples > span.max_duration_s * SAMPLE_RATE_HZ + 1:
                raise too_long(span, num_samples / SAMPLE_RATE_HZ)
            yield _in_range(span, samples_N)
    if not num_samples:
        raise fault("AUD-EMPTY", span, "holds no samples", "record or copy the clip again")


def _inspected(span: Span) -> str:
    """Return the container. A file with many clips is checked only once, for the first."""
    path, descriptor = span.path, span.descriptor
    if span.duration_s is None:
        return inspect_file(path, descriptor)
    try:
        facts = os.stat(path if descriptor is None else descriptor)
    except (OSError, ValueError):
        return inspect_file(path, descriptor)  # which says what is wrong with it
    return _inspect_once(path, descriptor, facts.st_ino, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=64)
def _inspect_once(path: Path, descriptor: int | None, *_facts: int) -> str:
    return inspect_file(path, descriptor)


def split_at_quiet(samples_N: Samples, max_s: float = 30.0) -> list[Samples]:
    """Split samples into pieces of at most max_s seconds; joined, they are exactly the input.

    Each cut is in the middle of the quietest 20 ms in the last third of the longest piece that
    would fit. Raises ValueError where max_s is under 0.06.
    """
    longest = int(max_s * SAMPLE_RATE_HZ)
    if longest < 3 * FRAME_SAMPLES:
        raise ValueError(
            f"max_s is {max_s}; expected at least {3 * FRAME_SAMPLES / SAMPLE_RATE_HZ}"
        )
    pieces = []
    while len(samples_N) > longest:
        cut = _quietest(samples_N[:longest])
        pieces.append(samples_N[:cut])
        samples_N = samples_N[cut:]
    return [*pieces, samples_N]


def _quietest(window_N: Samples) -> int:
    num_frames = len(window_N) // 3 // FRAME_SAMPLES
    first = len(window_N) - num_frames * FRAME_SAMPLES
    energy = np.square(window_N[first:].reshape(num_frames, FRAME_SAMPLES)).sum(axis=1)
    # Of equally quiet frames the last: the pieces are then as long as they can be.
    quietest = num_frames - 1 - int(np.argmin(energy[::-1]))
    return first + quietest * FRAME_SAMPLES + FRAME_SAMPLES // 2


def _resampled(
    span: Span, blocks: Generator[Block], note: Callable[[str], None]
) -> Iterator[Samples]:
    """Yield the blocks as mono at 16 kHz."""
    resampler: Any = None
    num_samples = 0
    for rate_hz, block_NC in blocks:
        num_samples += block_NC.size
        check_samples(span, num_samples)
        if not np.isfinite(block_NC).all():
            raise fault("AUD-NONFINITE", span, "holds NaN or infinite samples", EXPORT_AGAIN)
        resampler = resampler or soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, "float32", "VHQ")
        mono_N = _to_mono(block_NC, note)
        yield mono_N if rate_hz == SAMPLE_RATE_HZ else resampler.resample_chunk(mono_N)
    if resampler and rate_hz != SAMPLE_RATE_HZ:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _in_range(span: Span, samples_N: Samples) -> Samples:
    peak = float(np.abs(samples_N).max(initial=0.0))
    if peak > MAX_PEAK:
        fix = "divide the samples by their full scale, such as 32768, before writing floats"
        raise fault("AUD-RANGE", span, f"peaks at {peak:,.0f}; expected within -1 and 1", fix)
    return np.clip(samples_N, -1.0, 1.0)


def _to_mono(block_NC: Samples, note: Callable[[str], None]) -> Samples:
    if block_NC.shape[1] == 1:
        return block_NC[:, 0]
    mono_N: Samples = block_NC.mean(axis=1)
    energy_C = np.square(block_NC).mean(axis=0)
    if np.square(mono_N).mean() < ANTI_PHASE_RATIO * energy_C.max():
        # A microphone wired with one leg inverted: the mean of the channels is silence.
        note("AUD-PHASE")
        return np.ascontiguousarray(block_NC[:, int(energy_C.argmax())])
    note("AUD-STEREO")
    return mono_N
