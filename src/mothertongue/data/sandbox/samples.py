"""The decoding task of workers: yield the samples of a part of a file in few large blocks."""

import io
from collections.abc import Iterable, Iterator
from contextlib import closing

import av
import numpy as np
import soundfile as sf

from mothertongue.data.audio.decoders import Span
from mothertongue.data.audio.load import SAMPLE_RATE_HZ, Samples, stream_span
from mothertongue.data.sandbox.channel import Answer
from mothertongue.data.sandbox.pool import Sandbox

TASK = __name__
BLOCK_SAMPLES = 30 * SAMPLE_RATE_HZ


def stream(sandbox: Sandbox, span: Span) -> Iterator[Samples]:
    """Yield the samples of a part of a file in blocks, as `audio.load.stream_span` does.

    `sandbox` has this module's TASK. Raises AudioError as `Sandbox.answers` does.
    """
    with closing(sandbox.answers(span)) as answers:
        for _, arrays in answers:
            yield from arrays


def warm_up() -> None:
    """Import what PyAV imports only when it opens a file."""
    sound = io.BytesIO()
    sf.write(sound, np.zeros(SAMPLE_RATE_HZ), SAMPLE_RATE_HZ, format="WAV")
    sound.seek(0)
    with av.open(sound, "r", format="wav") as container:
        list(container.decode(audio=0))


def answer(span: Span) -> Iterator[Answer]:
    """Yield blocks of samples. Raises AudioError as `audio.stream_span` does."""
    for block_N in _joined(stream_span(span, lambda _: None)):
        yield {}, [block_N]


def _joined(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Yield larger blocks: FFmpeg gives blocks of 20 ms, and each message has a cost."""
    waiting: list[Samples] = []
    for block_N in blocks:
        waiting.append(block_N)
        if sum(map(len, waiting)) >= BLOCK_SAMPLES:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)
