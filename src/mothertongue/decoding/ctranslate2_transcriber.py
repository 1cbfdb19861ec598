"""Decode with CTranslate2, the engine of faster-whisper, also at a cut context.

B clips of one context, M mels, F mel frames.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np

from mothertongue.decoding.scorers import scorer_of
from mothertongue.decoding.transcript import (
    Clip,
    DecodeConfig,
    Samples,
    Transcript,
    batches_of_context,
    clip_languages,
    group_by_task_and_prompt,
    make_transcript,
    token_limit,
    with_word_times,
)
from mothertongue.decoding.word_timestamps import MEDIAN_FRAMES, Alignment, starts_of
from mothertongue.errors import ConfigError
from mothertongue.model.context import FRAMES_PER_S, Context
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.model.locate import BaseFiles
from mothertongue.model.tokenizer import Tokens, load_tokens


class CTranslate2Model:
    """A loaded CTranslate2 folder: the model, its tokenizer, and the tokens that it suppresses."""

    def __init__(
        self, folder: Path, compute_type: str = "default", tokens: Tokens | None = None
    ) -> None:
        """`compute_type`: default (as stored), float32, int8, ... as CTranslate2 names them.

        `tokens`: instead of the folder's own, which know no borrowed language. Raises ConfigError
        for a compute type that this device lacks.
        """
        offered = ctranslate2.get_supported_compute_types("cpu")
        if compute_type not in {"default", "auto", *offered}:
            raise ConfigError(
                f"--compute-type {compute_type}: expected default or one of "
                f"{', '.join(sorted(offered))} on this device"
            )
        self.whisper = ctranslate2.models.Whisper(str(folder), compute_type=compute_type)
        self.tokens = tokens or load_tokens(BaseFiles(str(folder), "ctranslate2", folder))
        stored = json.loads((folder / "config.json").read_text("utf-8"))
        self.suppressed = stored.get("suppress_ids") or []


class CTranslate2Transcriber:
    """Decodes clips in batches of equal context, longest first; the order of results is kept."""

    def __init__(
        self,
        model: CTranslate2Model,
        *,
        config: DecodeConfig,
        context: Context = "full",
        advance: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.whisper, self.tokens, self.suppressed = model.whisper, model.tokens, model.suppressed
        self.config, self.context, self.advance = config, context, advance
        self.scorer = scorer_of(config, model.tokens)
        if self.scorer and config.beam_size == 1:
            raise ConfigError(
                "a language model and hot words order the texts that CTranslate2 found, and greedy "
                "search finds one; expected more: add --beam-size 5"
            )

    def __call__(self, audio: Sequence[Samples], language: str | None) -> list[Transcript]:
        """One transcript a clip. Raises ValueError for a clip of more than 30 s."""
        return self.decode([Clip(samples_N, language, self.context) for samples_N in audio])

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        """One transcript a clip. Raises ValueError for a clip of more than 30 s."""
        done: dict[int, Transcript] = {}
        for seconds, batch in batches_of_context(clips, self.config.batch_size):
            found = self._batch([clips[i] for i in batch], seconds)
            done.update(zip(batch, found, strict=True))
            self.advance(len(batch))
        return [done[i] for i in range(len(clips))]

    def _batch(self, clips: Sequence[Clip], seconds: int) -> list[Transcript]:
        done: dict[int, Transcript] = {}
        for run in group_by_task_and_prompt(clips):
            found = self._run([clips[i] for i in run], seconds)
            done.update(zip(run, found, strict=True))
        return [done[i] for i in range(len(clips))]

    def _run(self, clips: list[Clip], seconds: int) -> list[Transcript]:
        samples = [clip.samples_N for clip in clips]
        mel_BMF = log_mel(pad_samples(samples, seconds), self.whisper.n_mels)
        encoded = self.whisper.encode(ctranslate2.StorageView.from_array(mel_BMF.numpy()))
        languages, detected = clip_languages(clips, self.config, lambda: self._detect(encoded))
        prefixes = [
            self.tokens.prefix(code, clip.task, clip.prompt)
            for code, clip in zip(languages, clips, strict=True)
        ]
        limits = [token_limit(clip.duration_s, len(prefixes[0])) for clip in clips]
        results = self.whisper.generate(
            encoded,
            prefixes,
            beam_size=self.config.beam_size,
            num_hypotheses=self.config.beam_size if self.scorer else 1,
            # 0: sums, for `_best` to divide. By its own count an empty text has none.
            length_penalty=0 if self.scorer else 1,
            # CTranslate2 keeps half of it for a prompt, or more where the prompt is longer.
            max_length=max(limits) + max(len(prefixes[0]), *limits),
            suppress_tokens=[*self.suppressed, *self._timestamps()],
            return_scores=True,
            return_no_speech_prob=True,
        )
        transcripts = [
            self._transcript(result, code, limit, found_language)
            for result, code, limit, found_language in zip(
                results, languages, limits, detected, strict=True
            )
        ]
        if any(clip.word_times for clip in clips):
            return self._timed(clips, encoded, prefixes, transcripts)
        return transcripts

    def _timed(
        self,
        clips: Sequence[Clip],
        encoded: Any,
        prefixes: Sequence[list[int]],
        transcripts: Sequence[Transcript],
    ) -> list[Transcript]:
        """Return the transcripts, with word times if a clip asks for them; all clips are aligned.

        CTranslate2 takes one prefix for a whole batch: it is called once for each language.
        """
        found = list(transcripts)
        starts = [tuple(prefix[-4:-1]) for prefix in prefixes]  # it adds the last by itself
        for start in set(starts):
            results = self.whisper.align(
                encoded,
                list(start),
                [list(each.tokens) for each in transcripts],
                [_mel_frames(clip.duration_s) for clip in clips],
                median_filter_width=MEDIAN_FRAMES,
            )
            for i, result in enumerate(results):
                if clips[i].word_times and starts[i] == start:
                    aligned = _alignment(result, transcripts[i])
                    found[i] = with_word_times(transcripts[i], clips[i], aligned, self.tokens)
        return found

    def _transcript(
        self, result: Any, language: str, limit: int, detected: str | None
    ) -> Transcript:
        best = self._best(result, limit) if self.scorer else 0
        tokens, average = result.sequences_ids[best], self._average(result, best)
        made = make_transcript(self.tokens, language, tokens, limit, average, detected)
        return replace(made, no_speech_probability=result.no_speech_prob)

    def _average(self, result: Any, place: int) -> float | None:
        """Return the log-probability per token of a text, the end token included."""
        count, score = len(result.sequences_ids[place]), result.scores[place]
        if self.scorer:
            return float(score / (count + 1))
        # CTranslate2 divides by the tokens without the end token: of none it tells no number.
        return float(score * count / (count + 1)) if count else None

    def _best(self, result: Any, limit: int) -> int:
        """Return the index of the text with the highest score per token, as in our search."""
        assert self.scorer is not None
        gain = self.scorer.gain

        def rank(place: int) -> tuple[bool, float]:
            tokens = result.sequences_ids[place]
            score = result.scores[place] + gain(tokens)
            return len(tokens) < limit, score / max(1, len(tokens))

        return max(range(len(result.scores)), key=rank)

    def _detect(self, encoded: Any) -> list[str]:
        return [found[0][0].strip("<|>") for found in self.whisper.detect_language(encoded)]

    def _timestamps(self) -> range:
        return range(self.tokens.no_timestamps + 1, self.tokens.vocabulary_size)


def _mel_frames(duration_s: float) -> int:
    """Return the mel frames of a clip, an even number: CTranslate2 halves it and rounds down."""
    return 2 * max(1, math.ceil(FRAMES_PER_S * duration_s))


def _alignment(result: Any, transcript: Transcript) -> Alignment:
    """Return the alignment in a result: `alignments` is the path of (token, frame) pairs."""
    if not transcript.tokens:
        return Alignment((0.0,), (), transcript.no_speech_probability)
    rows, columns = np.array(result.alignments).T
    probabilities = tuple(result.text_token_probs)
    return Alignment(starts_of(rows, columns), probabilities, transcript.no_speech_probability)
