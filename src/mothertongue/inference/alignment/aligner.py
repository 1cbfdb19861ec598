"""Align recordings with their texts: transcribe, match, choose spans, say what is left."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue

from mothertongue.config import Config, parse
from mothertongue.data.audio.decoders import Span as FileSpan
from mothertongue.data.audio.load import Samples
from mothertongue.data.clip_checks import CountLabelTokens, LongClip
from mothertongue.data.clip_checks import Limits as ClipLimits
from mothertongue.data.long_rows import AlignedSpan, Alignment, Unaligned
from mothertongue.data.sandbox import samples
from mothertongue.data.sandbox.pool import Sandbox
from mothertongue.data.sources.base import ForReview
from mothertongue.decoding.transcript import ClipTranscriber, DecodeConfig
from mothertongue.decoding.word_timestamps import Word
from mothertongue.errors import ConfigError
from mothertongue.inference.alignment.evidence import Evidence
from mothertongue.inference.alignment.pauses import Loudness, Sound, sound_of
from mothertongue.inference.alignment.spans import Limits, Rest, Span, choose, rests
from mothertongue.inference.alignment.units import (
    Unit,
    heard_words,
    in_one_script,
    text_of,
    units_of,
)
from mothertongue.inference.engine import Engine
from mothertongue.inference.open_model import open_model
from mothertongue.inference.speech_detection import Find
from mothertongue.inference.transcribe import MAX_DURATION_S, transcribe_blocks
from mothertongue.inference.transcribe_files import detector
from mothertongue.inference.transcript_cache import CachedTranscriber, weights_of
from mothertongue.model.tokenizer import CONTROL_TOKENS

LEAST_SOUND_S = 0.5
"""A part with text and less sound than this is text that nobody speaks."""


class AlignOptions(Config):
    """Settings of the alignment of long recordings."""

    least: float = Field(0.5, ge=0, le=1)
    """The least agreement of a clip's text with what the model recognized in it: twice the equal
    characters, by the characters of both. A clip of n characters needs two standard errors more: at
    0.5, 1 / sqrt(n)."""
    max_s: float = Field(30.0, ge=1, le=30)
    """The longest clip in seconds."""


@dataclass(frozen=True)
class Aligner:
    """A function that aligns recordings with their texts by what a MODEL recognizes in them."""

    model: str
    open_engine: Callable[[], Engine]
    """Called for the first recording."""
    find: Find
    """The speech detector."""
    count_label_tokens: CountLabelTokens
    options: AlignOptions = field(default_factory=AlignOptions)
    clip_limits: ClipLimits = field(default_factory=ClipLimits)
    """The limits that every clip keeps, whatever the options allow."""
    cache: Path | None = None
    """A file that keeps what the model writes, so that no piece is transcribed twice."""
    on_clip: Callable[[LongClip], None] = lambda _clip: None
    """Called before a recording is transcribed."""
    on_pieces: Callable[[int], None] = lambda _count: None
    """Called with the number of pieces, of at most 30 s, that were just transcribed."""

    def __call__(self, clip: LongClip) -> Alignment:
        """Return the spans of a recording that agree with its text, and what is left.

        Raises AudioError where it cannot be decoded, and ConfigError for a model without word
        times.
        """
        words, sound, duration_s = self._heard(clip)
        units = units_of(clip.text, clip.language)
        evidence = Evidence(*in_one_script(units, heard_words(words)), sound)
        tokens_U = [self._tokens(clip, unit) for unit in units]
        limits = Limits(
            max_s=min(self.options.max_s, self.clip_limits.max_duration_s),
            max_tokens=self.clip_limits.max_label_tokens - CONTROL_TOKENS,
            least=self.options.least,
        )
        spans = choose(evidence, sound, tokens_U, limits, duration_s)
        left = rests(spans, len(units), sound, duration_s)
        return Alignment(
            spans=tuple(_aligned(clip, units, each) for each in spans),
            unaligned=tuple(_unaligned(clip, units, each) for each in left),
            duration_s=duration_s,
            sound_s=sound.total_s,
            kept_sound_s=sum(sound.between(each.start_s, each.end_s) for each in spans),
            characters=evidence.characters(0, len(units)),
            kept_characters=sum(evidence.characters(each.first, each.last) for each in spans),
        )

    def settings(self) -> dict[str, JsonValue]:
        """Return the settings."""
        return self.options.model_dump()

    @cached_property
    def _engine(self) -> Engine:
        engine = self.open_engine()
        if engine.is_limited:
            raise ConfigError(
                f"--align-with {self.model}: this format gives no word times; expected a base, a "
                "run's folder or a CTranslate2 export"
            )
        return engine

    @cached_property
    def _decoder(self) -> ClipTranscriber:
        engine = self._engine
        made = engine.make(engine.trained_context, DecodeConfig(), self.on_pieces)
        if self.cache is None:
            return made
        return CachedTranscriber(
            made, self.cache, [self.model, weights_of(self.model), engine.settings]
        )

    def _heard(self, clip: LongClip) -> tuple[list[Word], Sound, float]:
        """Return the words recognized in a clip, its sound, and its length in seconds."""
        loudness = Loudness()
        self.on_clip(clip)
        with Sandbox(samples.TASK) as sandbox:
            span = FileSpan(clip.path, clip.start_s, clip.duration_s, MAX_DURATION_S)
            blocks = _measured(samples.stream(sandbox, span), loudness)
            found = transcribe_blocks(
                self._decoder,
                blocks,
                self.find,
                self._engine.language_of(clip.language),
                self._engine.trained_context,
                word_times=True,
            )
        words = [word for segment in found.segments for word in segment.words or ()]
        return words, sound_of(loudness.levels()), found.duration_s

    def _tokens(self, clip: LongClip, unit: Unit) -> int:
        """Return the label tokens of a unit, with the space before it: a token in some scripts."""
        text = text_of(clip.text, [unit])
        if not clip.text[max(0, unit.start - 1) : unit.start].isspace():
            return self.count_label_tokens(text, clip.language) - CONTROL_TOKENS
        both, before = (self.count_label_tokens(x, clip.language) for x in (f"a {text}", "a"))
        return both - before


def _measured(blocks: Iterable[Samples], loudness: Loudness) -> Iterator[Samples]:
    for block_N in blocks:
        loudness.add(block_N)
        yield block_N


def _aligned(clip: LongClip, units: list[Unit], span: Span) -> AlignedSpan:
    start_s, end_s = (round(clip.start_s + each, 3) for each in (span.start_s, span.end_s))
    text = text_of(clip.text, units[span.first : span.last])
    return AlignedSpan(start_s, end_s, text, round(span.agreement, 4))


def _unaligned(clip: LongClip, units: list[Unit], rest: Rest) -> Unaligned:
    start_s, end_s = (round(clip.start_s + each, 3) for each in (rest.start_s, rest.end_s))
    if rest.first == rest.last:
        return Unaligned(start_s, end_s, None, "untranscribed")
    text = text_of(clip.text, units[rest.first : rest.last])
    reason: ForReview = "unaligned" if rest.sound_s >= LEAST_SOUND_S else "unspoken"
    return Unaligned(start_s, end_s, text, reason)


def open_aligner(
    model: str,
    settings: Mapping[str, Any],
    count_label_tokens: CountLabelTokens,
    clip_limits: ClipLimits,
    cache: Path | None = None,
    on_clip: Callable[[LongClip], None] = lambda _clip: None,
    on_pieces: Callable[[int], None] = lambda _count: None,
) -> Aligner:
    """Return an aligner that opens `model` for the first recording.

    `settings` are those of AlignOptions; None is the default. `clip_limits` are those that every
    clip keeps. `cache` is a file that keeps what the model writes. Raises ConfigError for a wrong
    setting.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    options = parse(AlignOptions, given, "align")
    find, _ = detector("auto")
    opened = partial(open_model, model)
    return Aligner(
        model, opened, find, count_label_tokens, options, clip_limits, cache, on_clip, on_pieces
    )
