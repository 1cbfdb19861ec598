"""Score a model on long recordings, transcribed as the verb transcribe does it, cuts included.

The recordings are joined from a split's clips, so that the same clips can be scored alone too; or
they are files with their text beside them.

N samples (16,000 a second), F frames (50 a second).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mothertongue.data.audio.load import FRAME_SAMPLES, SAMPLE_RATE_HZ, AudioError
from mothertongue.data.clip_facts import audio_digest, facts_of
from mothertongue.data.clips import Samples, load_clip, read_split
from mothertongue.data.languages import usual_measure
from mothertongue.data.manifest import ROOT, Split, Utterance, data_digest
from mothertongue.data.voices import voices
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError, DataError
from mothertongue.evaluation.long_form import (
    LongTranscript,
    long_scores,
    rate_ratio,
    time_errors,
)
from mothertongue.evaluation.records import LongRecording, LongScores
from mothertongue.inference.engine import Engine
from mothertongue.inference.output_files import find_sources
from mothertongue.inference.score_split import transcribe_split
from mothertongue.inference.speech_detection import Find
from mothertongue.inference.subtitles import Recording
from mothertongue.inference.transcribe import transcribe_files, transcribe_samples
from mothertongue.inference.transcribe_files import detector
from mothertongue.system.arguments import Vad
from mothertongue.system.console import counting
from mothertongue.system.environment import environment
from mothertongue.system.files import sha256_files
from mothertongue.system.json_files import read_text

MINUTES = 5.0
PAUSE_S = 0.5
"""Silence between two clips of a recording; clips have some at their own ends too."""
QUIET_RATIO = 10 ** (-30 / 20)
"""Speech ends where frames stay 30 dB below the clip's loudest."""


@dataclass(frozen=True, slots=True)
class LongForm:
    """The settings of a score on long recordings."""

    find: Find
    """The speech detector."""
    vad: str
    """Its name, for the record."""
    minutes: float = MINUTES
    """About how long recordings are that are joined from clips."""

    def score(
        self,
        model: str,
        engine: Engine,
        data: Sequence[Path],
        split: Split,
        config: DecodeConfig,
        language: str | None,
    ) -> LongScores:
        """Return the scores of recordings that are joined from a split's clips."""
        utterances = read_split(data, split, language)
        parts = recordings_of(utterances, self.minutes)
        clips = [utterances[i] for part in parts for i in part]
        with counting("decoding clips", len(clips)) as advance:
            alone = transcribe_split(engine, clips, engine.trained_context, config, advance)
        found = self._transcribed(engine, [[utterances[i] for i in part] for part in parts], config)
        measure = usual_measure(clips[0].language)
        heard = [each.text for each in alone.transcripts]
        return LongScores(
            **self._facts(model, engine, found, config),
            data=", ".join(map(str, data)),
            data_digest=data_digest(data),
            audio_sha256=audio_digest(facts_of(clips)),
            split=split,
            scores_clips=alone.scores(),
            ratio=rate_ratio(found, heard, measure),
        )

    def score_files(
        self, model: str, engine: Engine, path: Path, config: DecodeConfig, language: str | None
    ) -> LongScores:
        """Return the scores of recordings with a text file beside each.

        `path` is a sound file, a pattern, or a folder of them. Raises DataError where a recording
        cannot be read or has no text.
        """
        texts = {each.path: _text_beside(each.path) for each in find_sources([path])}
        decoder = engine.make(engine.trained_context, config, lambda _: None)
        code, is_timed = language or engine.language, not engine.is_limited
        found = []
        with counting("transcribing recordings", len(texts)) as advance:
            for audio, heard in transcribe_files(
                decoder, texts, self.find, code, engine.trained_context, is_timed
            ):
                if isinstance(heard, AudioError):
                    raise DataError(str(heard))
                found.append(_long(str(audio), texts[audio], heard, code))
                advance(1)
        files = [file for each in texts for file in (each, each.with_suffix(".txt"))]
        return LongScores(
            **self._facts(model, engine, found, config),
            data=str(path),
            data_digest=sha256_files(files),
            split=None,
            scores_clips=None,
            ratio=None,
        )

    def _transcribed(
        self, engine: Engine, parts: Sequence[Sequence[Utterance]], config: DecodeConfig
    ) -> list[LongTranscript]:
        context = engine.trained_context
        decoder = engine.make(context, config, lambda _: None)
        found = []
        with counting("transcribing recordings", len(parts)) as advance:
            for clips in parts:
                samples_N, speech_s = joined([load_clip(ROOT, each) for each in clips])
                code, is_timed = clips[0].language, not engine.is_limited
                heard = transcribe_samples(decoder, samples_N, self.find, code, context, is_timed)
                name = clips[0].id if len(clips) == 1 else f"{clips[0].id} ... {clips[-1].id}"
                long = _long(name, [each.text for each in clips], heard, code)
                found.append(replace(long, speech_s=tuple(speech_s)))
                advance(1)
        return found

    def _facts(
        self, model: str, engine: Engine, found: Sequence[LongTranscript], config: DecodeConfig
    ) -> dict[str, Any]:
        """Return what records of both kinds of recordings have."""
        context = engine.trained_context
        return {
            "model": model,
            "kind": engine.kind,
            "language": ",".join(sorted({each.language for each in found})),
            "recordings": [_row(each) for each in found],
            "scores": long_scores(found, context),
            "times": time_errors(found),
            "decoding": config.facts() | engine.settings | {"vad": self.vad, "context": context},
            "pause_s": PAUSE_S,
            "environment": environment(),
        }


def long_settings(is_long: bool, minutes: float | None, vad: Vad | None) -> LongForm | None:
    """Return the settings of a score on long recordings; None where clips are scored.

    Raises ConfigError for settings without effect, and where Silero is not installed.
    """
    if not is_long:
        if idle := [name for name, each in (("minutes", minutes), ("vad", vad)) if each]:
            raise ConfigError(f"--{idle[0]} has no effect without --long-form; leave it out")
        return None
    find, name = detector(vad or "auto")
    return LongForm(find, name, minutes or MINUTES)


def recordings_of(utterances: Sequence[Utterance], minutes: float) -> list[list[int]]:
    """Return the clips of each recording, by index: of one voice, in their order.

    A voice has as many recordings of nearly equal length as bring them closest to `minutes`. Clips
    whose voice no other clip is known to share are joined with each other, by language.
    """
    of_voice: dict[object, list[int]] = {}
    for i, (each, voice) in enumerate(zip(utterances, voices(utterances), strict=True)):
        of_voice.setdefault(voice or each.language, []).append(i)
    return [
        recording
        for clips in of_voice.values()
        for recording in _shared_out(clips, [utterances[i].duration_s for i in clips], minutes)
    ]


def _shared_out(
    clips: Sequence[int], durations_s: Sequence[float], minutes: float
) -> Iterator[list[int]]:
    middles_s = np.cumsum(durations_s) - np.array(durations_s) / 2
    count = max(1, round(sum(durations_s) / (60 * minutes)))
    places = np.minimum(count * middles_s / max(sum(durations_s), 1e-9), count - 1).astype(int)
    for number in range(count):
        if chosen := [clip for clip, place in zip(clips, places, strict=True) if place == number]:
            yield chosen


def joined(clips: Sequence[Samples]) -> tuple[Samples, list[tuple[float, float]]]:
    """Return a recording of clips with pauses between them, (N,), and when each one's speech is."""
    pause_N = np.zeros(int(PAUSE_S * SAMPLE_RATE_HZ), np.float32)
    parts, speech_s, begin = list[Samples](), list[tuple[float, float]](), 0
    for clip_N in clips:
        first, end = speech_edges(clip_N)
        speech_s.append(((begin + first) / SAMPLE_RATE_HZ, (begin + end) / SAMPLE_RATE_HZ))
        parts += [clip_N, pause_N]
        begin += len(clip_N) + len(pause_N)
    return np.concatenate(parts[:-1]), speech_s


def speech_edges(samples_N: Samples) -> tuple[int, int]:
    """Return the first sample of a clip's speech and the one after its last, to 20 ms.

    Speech lies between the first and the last frame that is less than 30 dB below the loudest: this
    needs no model, so it favours none. All of a clip whose noise is louder than that is speech.
    """
    padded_N = np.pad(samples_N, (0, -len(samples_N) % FRAME_SAMPLES))
    loudness_F = np.sqrt(np.square(padded_N.reshape(-1, FRAME_SAMPLES)).mean(axis=1))
    (loud_L,) = np.nonzero(loudness_F >= QUIET_RATIO * loudness_F.max(initial=0.0))
    if not len(loud_L):
        return 0, len(samples_N)
    return int(loud_L[0]) * FRAME_SAMPLES, min(
        len(samples_N), (int(loud_L[-1]) + 1) * FRAME_SAMPLES
    )


def _long(name: str, texts: Sequence[str], heard: Recording, code: str | None) -> LongTranscript:
    words = [word for segment in heard.segments for word in segment.words or ()]
    has_times = all(each.words is not None for each in heard.segments)
    return LongTranscript(
        id=name,
        language=code or heard.language or "en",
        texts=tuple(texts),
        hypothesis=heard.text,
        duration_s=heard.duration_s,
        words=tuple(words) if has_times else None,
    )


def _row(found: LongTranscript) -> LongRecording:
    return LongRecording(
        id=found.id,
        language=found.language,
        parts=len(found.texts),
        duration_s=round(found.duration_s, 3),
        reference=found.reference,
        hypothesis=found.hypothesis,
    )


def _text_beside(audio: Path) -> list[str]:
    """Return the lines of a recording's text. Raises DataError where it has none."""
    path = audio.with_suffix(".txt")
    text = read_text(path, "give each recording its text, in UTF-8, as a .txt of the same name")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{path}: no text, expected what is said in {audio.name}")
    return lines
