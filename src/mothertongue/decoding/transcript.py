"""What every engine gives back, and the rules every engine keeps. No torch."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

import numpy as np

from mothertongue.audio import SAMPLE_RATE_HZ
from mothertongue.batches import Context, context_s
from mothertongue.config import Config
from mothertongue.tokens import MAX_LABEL_TOKENS, Tokens

Samples = np.ndarray[Any, np.dtype[np.float32]]

LONGEST_CYCLE_TOKENS = 8
MOST_REPEATS = 6
TOKENS_PER_S = 50  # of 20 sets the densest, read Malayalam, has a clip with 43 tokens a second
SPARE_TOKENS = 20


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of one clip, its language by Whisper's code, and how sure the engine was."""

    text: str
    language: str
    tokens: tuple[int, ...]
    average_log_probability: float
    """In nats, over everything that was written, the end token included, as openai/whisper."""
    looped: bool = False
    """Whether a cycle was cut from the end of the tokens."""
    detected_language: str | None = None
    """The likeliest language by Whisper's code, whatever was asked for; None where not asked."""


class Transcriber(Protocol):
    """Anything that turns clips of at most 30 s, float32 at 16 kHz, into transcripts in order.

    `language` is Whisper's code, or None to detect it for each clip.
    """

    def __call__(self, audio: Sequence[Samples], language: str | None) -> list[Transcript]: ...


class DecodeConfig(Config):
    """How transcripts are searched for."""

    beam_size: int = 1
    """1 is greedy; 5 is what OpenAI's own command uses."""
    batch_size: int = 16
    """Clips decoded together."""
    detect_language: bool = False
    """Also ask which language the model hears; costs one decoder step a batch."""


def batches_of_context(
    audio: Sequence[Samples], context: Context, size: int
) -> Iterator[tuple[int, list[int]]]:
    """(context in seconds, indices) of at most `size` clips of one context, the longest first.

    Raises ValueError for a clip of more than 30 s.
    """
    contexts = [context_s(len(clip) / SAMPLE_RATE_HZ, context) for clip in audio]
    order = sorted(range(len(audio)), key=lambda i: (-contexts[i], -len(audio[i])))
    for seconds, alike in groupby(order, key=lambda i: contexts[i]):
        indices = list(alike)
        yield from ((seconds, indices[i : i + size]) for i in range(0, len(indices), size))


def clip_languages(
    count: int, given: str | None, config: DecodeConfig, detect: Callable[[], Sequence[str]]
) -> tuple[Sequence[str], Sequence[str | None]]:
    """What each clip is decoded under, and what the model hears in it: None where not asked."""
    if given and not config.detect_language:
        return [given] * count, [None] * count
    detected = detect()
    return [given] * count if given else detected, detected


def token_limit(duration_s: float) -> int:
    """The most tokens a clip's text may take: a hallucination must not run to the end."""
    return min(MAX_LABEL_TOKENS - 4, SPARE_TOKENS + math.ceil(TOKENS_PER_S * duration_s))


def loop_length(tokens: Sequence[int]) -> int:
    """How many tokens at the end only repeat a cycle of 1-8 tokens said MOST_REPEATS times."""
    for cycle in range(1, LONGEST_CYCLE_TOKENS + 1):
        tail = tokens[-cycle * MOST_REPEATS :]
        if len(tail) == cycle * MOST_REPEATS and all(
            tail[i] == tail[i - cycle] for i in range(cycle, len(tail))
        ):
            return cycle * (MOST_REPEATS - 1)
    return 0


def cut_at_loop(tokens: Sequence[int]) -> tuple[list[int], bool]:
    """The tokens up to the first loop, said once, and whether there was one."""
    for length in range(1, len(tokens) + 1):
        if repeated := loop_length(tokens[:length]):
            return list(tokens[: length - repeated]), True
    return list(tokens), False


def make_transcript(
    tokenizer: Tokens,
    language: str,
    tokens: Sequence[int],
    average: float,
    detected: str | None = None,
) -> Transcript:
    """The transcript of raw tokens (without prefix or end), with a loop cut away."""
    kept, looped = cut_at_loop(tokens)
    return Transcript(tokenizer.decode(kept), language, tuple(kept), average, looped, detected)
