"""Compute facts about a clip's sound for the checks: the task of the workers of `prepare`."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from mothertongue.data.audio.decoders import Span
from mothertongue.data.audio.load import SAMPLE_RATE_HZ, Samples, stream_span
from mothertongue.data.sandbox.channel import Answer
from mothertongue.data.sandbox.pool import Sandbox
from mothertongue.data.sandbox.samples import warm_up as warm_up

TASK = __name__
CLIPPED_PEAK = 0.999


@dataclass(frozen=True, slots=True)
class Sound:
    """The facts about a clip's sound that are checked."""

    num_samples: int
    """At 16 kHz."""
    peak: float
    """The largest distance of a sample from their mean, of 1."""
    clipped_share: float
    """The share of samples at full scale."""
    key: str
    """Equal for equal samples of 16 bits, in hexadecimal digits."""
    notes: tuple[str, ...]
    """How the samples came about, as `audio.decode` tells it."""

    @property
    def duration_s(self) -> float:
        """The length of the sound in seconds."""
        return self.num_samples / SAMPLE_RATE_HZ


Listen = Callable[[Span], Sound]
"""Decodes a part of a file. Raises AudioError."""


def listen(span: Span) -> Sound:
    """Return the facts about a part of a file, decoded in this process."""
    notes: set[str] = set()
    samples_N = np.concatenate([*stream_span(span, notes.add)])
    return _sound(samples_N, tuple(sorted(notes)))


def listen_in(sandbox: Sandbox, span: Span) -> Sound:
    """Return the facts about a part of a file, decoded in a worker; `sandbox` has this TASK."""
    ((found, _),) = sandbox.answers(span)
    return Sound(**found | {"notes": tuple(found["notes"])})


def answer(span: Span) -> Iterator[Answer]:
    """Yield the facts about a part of a file, as JSON values."""
    yield asdict(listen(span)), []


def _sound(samples_N: Samples, notes: tuple[str, ...]) -> Sound:
    return Sound(
        num_samples=len(samples_N),
        peak=float(np.abs(samples_N - samples_N.mean()).max()),
        clipped_share=float(np.mean(np.abs(samples_N) >= CLIPPED_PEAK)),
        key=hashed((samples_N * 32767).astype("<i2").tobytes()).hex(),
        notes=notes,
    )


def hashed(value: bytes) -> bytes:
    """Return a digest of 16 bytes."""
    return hashlib.blake2b(value, digest_size=16).digest()
