"""Clips, transcripts and settings of decoding, and rules that all engines share. No torch."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from mothertongue.config import Config
from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.decoding.hotwords import read_words
from mothertongue.decoding.lm.folder import read_record
from mothertongue.decoding.loops import cut_at_loop
from mothertongue.decoding.word_timestamps import Alignment, Word, words_of
from mothertongue.model.context import Context, context_s
from mothertongue.model.tokenizer import MAX_LABEL_TOKENS, Tokens
from mothertongue.system.files import sha256_file

Samples = np.ndarray[Any, np.dtype[np.float32]]

TOKENS_PER_S = 120
"""The limit: 30 characters a second, which `prepare` notes as too many for speech, times the 4
bytes that UTF-8 has for a character at most; a token is a byte or more. So the limit cuts no speech
in any script, and invented text for a short clip still ends early."""
SPARE_TOKENS = 20

Task = Literal["transcribe", "translate"]


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip of at most 30 s to decode, float32 (N,) at 16 kHz, and its settings."""

    samples_N: Samples
    language: str | None = None
    """Whisper's code; None to detect it."""
    context: Context = "full"
    task: Task = "transcribe"
    prompt: tuple[int, ...] = ()
    """Text tokens that are taken for the transcript before the clip."""
    adapter: str | None = None
    """The name of the base's adapter to decode it with; None for the base itself."""
    word_times: bool = False
    """Also find the times of each word; costs one pass of the decoder over the transcript."""
    text_language: str | None = None
    """The language of the text, by which its words are told apart, if `language` only lends its
    token. None: that of the speech; of a translation English."""

    @property
    def duration_s(self) -> float:
        return len(self.samples_N) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Transcript:
    """The text of one clip, Whisper's code of its language, and the engine's confidence."""

    text: str
    language: str
    tokens: tuple[int, ...]
    average_log_probability: float | None
    """The mean log-probability of a token in nats, the end token included, as in openai/whisper;
    None where the engine does not give it."""
    looped: bool = False
    """Whether decoding ended in a loop; the end of the tokens then has its cycle once."""
    detected_language: str | None = None
    """The likeliest language by Whisper's code, whatever was asked for; None where not asked."""
    words: tuple[Word, ...] | None = None
    """Words with times in the clip; None where not asked for, or where the engine has none."""
    no_speech_probability: float | None = None
    """The model's probability that the clip holds no speech; in torch only with word times."""
    is_cut: bool = False
    """Whether the text met its limit of tokens, without a loop or an end: it lacks its rest."""


class Transcriber(Protocol):
    """A function from clips of at most 30 s, float32 at 16 kHz, to transcripts in order.

    `language` is Whisper's code, or None to detect it for each clip.
    """

    def __call__(self, audio: Sequence[Samples], language: str | None) -> list[Transcript]: ...


class ClipTranscriber(Transcriber, Protocol):
    """A transcriber of clips, each with its own language, task and context."""

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]: ...


class DecodeConfig(Config):
    """Settings of decoding."""

    beam_size: int = Field(default=1, ge=1, le=100)
    """1 is greedy; 5 is what OpenAI's own command uses."""
    batch_size: PositiveInt = 16
    """Clips decoded together."""
    detect_language: bool = False
    """Also detect the language of each clip; costs one decoder step a batch."""
    lm: Path | None = None
    """A language model that takes part in the search: a folder that `mothertongue lm` wrote."""
    lm_weight: Annotated[float, Field(ge=0, le=2)] | None = None
    """The factor of its log-probabilities before they are added."""
    hotwords: Path | None = None
    """A file of words that the search favors, such as names: one a line."""
    hotwords_weight: Annotated[float, Field(gt=0, le=20)] | None = None
    """Nats that each token of such a word adds to its log-probability. None: 1.5."""
    graphs: Literal["auto", "off"] = "off"
    """auto: on a GPU, replay the step of a token as a CUDA graph, with memory for a whole batch of
    the longest clips and texts; adapters that are mixed in a batch go without. It changes no
    result beyond rounding."""

    @model_validator(mode="after")
    def _weights_need_files(self) -> Self:
        if self.lm_weight is not None and self.lm is None:
            raise ValueError("lm_weight without lm has no effect; name the language model's folder")
        if self.hotwords_weight is not None and self.hotwords is None:
            raise ValueError("hotwords_weight without hotwords has no effect; name the file")
        return self

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of what is in files, by the name of the setting.

        Raises DataError if the folder of the language model has none, or the file no hot words.
        """
        found = {} if self.lm is None else {"lm": read_record(self.lm).arpa_sha256}
        if self.hotwords is not None:
            read_words(self.hotwords)  # no digest of a file that is missing, or of a pipe
            found["hotwords"] = sha256_file(self.hotwords)
        return found

    def facts(self) -> dict[str, Any]:
        """Return the settings that scores depend on, as JSON values; of files also their digests.

        Raises DataError as `digests` does.
        """
        digests = self.digests()
        unset = {"graphs"}.union(
            *({name, f"{name}_weight"} for name in ("lm", "hotwords") if name not in digests)
        )
        settings = self.model_dump(mode="json", exclude=unset)
        return settings | {f"{name}_sha256": digest for name, digest in digests.items()}


def batches_of_context(clips: Sequence[Clip], size: int) -> Iterator[tuple[int, list[int]]]:
    """Yield (context in seconds, indices) of at most `size` clips of one context, longest first.

    Of equal contexts, the clips of one adapter stand together. Raises ValueError for a clip of more
    than 30 s.
    """
    contexts = [context_s(clip.duration_s, clip.context) for clip in clips]

    def place(i: int) -> tuple[int, str, int]:
        return -contexts[i], clips[i].adapter or "", -len(clips[i].samples_N)

    for seconds, alike in groupby(sorted(range(len(clips)), key=place), key=contexts.__getitem__):
        indices = list(alike)
        yield from ((seconds, indices[i : i + size]) for i in range(0, len(indices), size))


def group_by_task_and_prompt(clips: Sequence[Clip]) -> list[list[int]]:
    """Return indices of clips by batch: the same task and prompts of equal length.

    Within each the clips of one adapter stand together.
    """

    def kind(i: int) -> tuple[str, int]:
        return clips[i].task, len(clips[i].prompt)

    order = sorted(range(len(clips)), key=lambda i: (kind(i), clips[i].adapter or ""))
    return [list(alike) for _, alike in groupby(order, key=kind)]


def clip_languages(
    clips: Sequence[Clip], config: DecodeConfig, detect: Callable[[], Sequence[str]]
) -> tuple[list[str], list[str | None]]:
    """Return the language that decodes each clip, and the detected one; None if not asked."""
    given = [clip.language for clip in clips]
    if all(given) and not config.detect_language:
        return [code for code in given if code], [None] * len(clips)
    detected = detect()
    asked = [config.detect_language or not code for code in given]
    return (
        [code or found for code, found in zip(given, detected, strict=True)],
        [found if wanted else None for found, wanted in zip(detected, asked, strict=True)],
    )


def token_limit(duration_s: float, prefix: int = 4) -> int:
    """Return the most tokens of a clip's text, so that invented text cannot fill the decoder.

    `prefix`: how many tokens stand before the text.
    """
    return min(MAX_LABEL_TOKENS - prefix, SPARE_TOKENS + math.ceil(TOKENS_PER_S * duration_s))


def make_transcript(
    tokenizer: Tokens,
    language: str,
    tokens: Sequence[int],
    limit: int,
    average: float | None,
    detected: str | None = None,
) -> Transcript:
    """Make a transcript from raw tokens (without prefix or end); a loop is cut to one cycle.

    Tokens beyond the limit are left out. Tokens that reach the limit had no end token before it.
    Control tokens are left out too: nothing forbids a decoder to write that of a language.
    """
    found, looped = cut_at_loop(tokens[:limit], limit)
    kept = [token for token in found if token < tokenizer.end]
    return Transcript(
        text=tokenizer.decode(kept),
        language=language,
        tokens=tuple(kept),
        average_log_probability=average,
        looped=looped,
        detected_language=detected,
        is_cut=len(tokens) >= limit and not looped,
    )


def with_word_times(
    transcript: Transcript, clip: Clip, alignment: Alignment, tokenizer: Tokens
) -> Transcript:
    """Return the transcript with the times of its words."""
    spoken = clip.text_language or transcript.language
    language = "en" if clip.task == "translate" else spoken
    words = words_of(tokenizer, transcript.tokens, language, alignment, clip.duration_s)
    return replace(transcript, words=words, no_speech_probability=alignment.no_speech_probability)
