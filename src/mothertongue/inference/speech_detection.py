"""Split a recording of any length into pieces of at most 30 s of speech, minutes in memory.

Spans and positions are in samples, 16,000 a second. No torch.
"""

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from mothertongue.data.audio.load import SAMPLE_RATE_HZ, Samples, split_at_quiet

PIECE_S = 30.0
WINDOW_S = 120.0
"""Length of a window of detection; speech that may go on after it waits for the next window."""
MAX_GAP_S = 1.0
"""Speech on both sides of a pause up to this long stays in one piece."""
PAD_S = 0.3
"""Seconds that a piece keeps before and after its speech: the detector misses consonants."""
MIN_SILENCE_S = 0.5
LENGTHS_SAMPLES = 5 * SAMPLE_RATE_HZ

Spans = list[tuple[int, int]]
Find = Callable[[Samples], Spans]
"""A speech detector. It returns spans of at most PIECE_S, in order, that do not overlap."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a recording, and its start in the recording in seconds."""

    start_s: float
    samples_N: Samples

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.samples_N) / SAMPLE_RATE_HZ


def has_detector() -> bool:
    """Return whether Silero's voice activity detector, a part of faster-whisper, is installed."""
    return all(map(importlib.util.find_spec, ("faster_whisper", "onnxruntime")))


def voiced(samples_N: Samples) -> Spans:
    """Return the spans in which Silero detects speech; none in silence."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(
        min_silence_duration_ms=int(1000 * MIN_SILENCE_S),
        speech_pad_ms=int(1000 * PAD_S),
        max_speech_duration_s=PIECE_S,
    )
    # onnxruntime keeps memory for every length it has seen: let there be few.
    count = len(samples_N)
    found = get_speech_timestamps(np.pad(samples_N, (0, -count % LENGTHS_SAMPLES)), options)
    spans = [(each["start"], min(each["end"], count)) for each in found]
    return [part for start, end in spans if start < end for part in _cut(samples_N, start, end)]


def everything(samples_N: Samples) -> Spans:
    """Return spans that cover all samples, cut at the quietest moments."""
    return _cut(samples_N, 0, len(samples_N))


def pieces(blocks: Iterable[Samples], find: Find) -> Iterator[Piece]:
    """Yield the speech of a recording, whose samples come in blocks, in order."""
    held_N, first = np.zeros(0, np.float32), 0
    for window_N, is_last in _windows(blocks, int(WINDOW_S * SAMPLE_RATE_HZ)):
        held_N = np.concatenate([held_N, window_N])
        spans = _joined(find(held_N))
        edge = len(held_N) if is_last else len(held_N) - int(MAX_GAP_S * SAMPLE_RATE_HZ)
        going_on = spans.pop() if spans and not is_last and spans[-1][1] > edge else None
        for start, end in spans:
            # A copy: a view would keep the whole window.
            yield Piece((first + start) / SAMPLE_RATE_HZ, held_N[start:end].copy())
        kept_from = going_on[0] if going_on else max(edge, spans[-1][1] if spans else 0)
        held_N, first = held_N[kept_from:], first + kept_from


def _windows(blocks: Iterable[Samples], size: int) -> Iterator[tuple[Samples, bool]]:
    """Yield the blocks joined to windows of at least `size`, and whether each is the last."""
    waiting: list[Samples] = []
    for block_N in blocks:
        waiting.append(block_N)
        if sum(map(len, waiting)) >= size:
            yield np.concatenate(waiting), False
            waiting = []
    yield np.concatenate([*waiting, np.zeros(0, np.float32)]), True


def _joined(spans: Sequence[tuple[int, int]]) -> Spans:
    """Join neighbouring spans if they fit into one piece and the pause between is short."""
    joined: Spans = []
    for start, end in spans:
        fits = joined and end - joined[-1][0] <= PIECE_S * SAMPLE_RATE_HZ
        if fits and start - joined[-1][1] <= MAX_GAP_S * SAMPLE_RATE_HZ:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


def _cut(samples_N: Samples, start: int, end: int) -> Spans:
    lengths = [len(part) for part in split_at_quiet(samples_N[start:end], PIECE_S)]
    return list(pairwise(accumulate(lengths, initial=start)))
