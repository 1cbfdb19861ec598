"""The task of the workers that decode uploads: find the speech in a file. No torch."""

from collections.abc import Iterator

import numpy as np

from mothertongue.data.audio.decoders import Span
from mothertongue.data.audio.load import SAMPLE_RATE_HZ, Samples, stream_span
from mothertongue.data.sandbox import samples
from mothertongue.data.sandbox.channel import Answer
from mothertongue.inference.speech_detection import everything, has_detector, pieces, voiced

TASK = __name__
FIND = voiced if has_detector() else everything


def warm_up() -> None:
    """Load the decoders and the detector."""
    samples.warm_up()
    FIND(np.zeros(SAMPLE_RATE_HZ, np.float32))


def answer(span: Span) -> Iterator[Answer]:
    """Yield each piece of speech with its start, then the duration of the file, in seconds."""
    duration_s = 0.0

    def counted() -> Iterator[Samples]:
        nonlocal duration_s
        for block_N in stream_span(span, lambda _: None):
            duration_s += len(block_N) / SAMPLE_RATE_HZ
            yield block_N

    # All of them before the first is sent: a file that is damaged further on has no speech at all,
    # and the time for an answer is that of the whole file.
    for piece in list(pieces(counted(), FIND)):
        yield {"start_s": piece.start_s}, [piece.samples_N]
    yield {"duration_s": duration_s}, []
