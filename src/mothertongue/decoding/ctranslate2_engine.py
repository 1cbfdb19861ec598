"""A CTranslate2 Whisper: the engine of faster-whisper, which also decodes at a cut context.

B clips of one context, M mels, F mel frames.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ctranslate2

from mothertongue.audio import SAMPLE_RATE_HZ
from mothertongue.batches import Context
from mothertongue.decoding.transcript import (
    DecodeConfig,
    Samples,
    Transcript,
    batches_of_context,
    clip_languages,
    make_transcript,
    token_limit,
)
from mothertongue.errors import ConfigError
from mothertongue.features import log_mel, pad_samples
from mothertongue.locate import BaseFiles
from mothertongue.tokens import Tokens, load_tokens


class CTranslate2Model:
    """A CTranslate2 folder in memory: the model, its tokens, and what it never writes."""

    def __init__(
        self, folder: Path, compute_type: str = "default", tokens: Tokens | None = None
    ) -> None:
        """`compute_type`: default (as stored), float32, int8, ... as CTranslate2 names them.

        `tokens`: instead of the folder's own, which know no borrowed language. Raises ConfigError
        for a compute type that this device has not.
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

    def __call__(self, audio: Sequence[Samples], language: str | None) -> list[Transcript]:
        """One transcript a clip. Raises ValueError for a clip of more than 30 s."""
        done: dict[int, Transcript] = {}
        for seconds, batch in batches_of_context(audio, self.context, self.config.batch_size):
            clips = [audio[i] for i in batch]
            done.update(zip(batch, self._batch(clips, seconds, language), strict=True))
            self.advance(len(batch))
        return [done[i] for i in range(len(audio))]

    def _batch(self, clips: list[Samples], seconds: int, language: str | None) -> list[Transcript]:
        mel_BMF = log_mel(pad_samples(clips, seconds), self.whisper.n_mels)
        encoded = self.whisper.encode(ctranslate2.StorageView.from_array(mel_BMF.numpy()))
        languages, detected = clip_languages(
            len(clips), language, self.config, lambda: self._detect(encoded)
        )
        limits = [token_limit(len(clip) / SAMPLE_RATE_HZ) for clip in clips]
        results = self.whisper.generate(
            encoded,
            [self.tokens.prefix(code) for code in languages],
            beam_size=self.config.beam_size,
            max_length=2 * max(limits),  # CTranslate2 keeps half of it for a prompt
            suppress_tokens=[*self.suppressed, *self._timestamps()],
            return_scores=True,
        )
        return [
            self._transcript(result, code, limit, heard)
            for result, code, limit, heard in zip(results, languages, limits, detected, strict=True)
        ]

    def _transcript(
        self, result: Any, language: str, limit: int, detected: str | None
    ) -> Transcript:
        tokens = result.sequences_ids[0]
        # CTranslate2 divides by the tokens without the end token.
        average = result.scores[0] * len(tokens) / (len(tokens) + 1)
        return make_transcript(self.tokens, language, tokens[:limit], average, detected)

    def _detect(self, encoded: Any) -> list[str]:
        return [found[0][0].strip("<|>") for found in self.whisper.detect_language(encoded)]

    def _timestamps(self) -> range:
        return range(self.tokens.no_timestamps + 1, self.tokens.vocabulary_size)
