"""The limits of decoding one file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """A file that needs more than this is given up, and its worker ended."""

    processor_s: float = 120.0
    """Of processor time until the next block of sound: FFmpeg decodes all that is before a clip,
    hours of it where the clip is a part of a long recording."""
    wait_s: float = 600.0
    """Until the next block of sound, by the clock: a busy machine is slow, a decoder that hangs
    waits for ever."""
    memory_bytes: int = 2 * 2**30
    """Beyond what an idle worker has."""
