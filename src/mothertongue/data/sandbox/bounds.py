"""The limits of decoding one file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of decoding one file; beyond them decoding stops and the worker ends."""

    processor_s: float = 120.0
    """Processor time in seconds until the next block of sound: FFmpeg decodes all that is before a
    clip, hours of it where the clip is a part of a long recording."""
    wait_s: float = 600.0
    """Wall-clock time in seconds until the next block of sound: a busy machine is slow, a decoder
    that hangs waits for ever."""
    memory_bytes: int = 2 * 2**30
    """Memory in bytes beyond that of an idle worker."""
