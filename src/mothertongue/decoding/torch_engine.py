"""Any Whisper that torch can run: a base, a tuned model, a model with adapters.

B clips of one context, T encoder frames, D width, V vocabulary.
"""

import copy
from collections.abc import Callable, Sequence
from itertools import islice

import torch
from torch import Tensor, nn
from transformers import WhisperForConditionalGeneration

from mothertongue.audio import SAMPLE_RATE_HZ
from mothertongue.batches import Context
from mothertongue.decoding.decoder_state import DecoderState
from mothertongue.decoding.search import Hypothesis, Rules, beam, greedy
from mothertongue.decoding.transcript import (
    DecodeConfig,
    Samples,
    Transcript,
    batches_of_context,
    clip_languages,
    make_transcript,
    token_limit,
)
from mothertongue.encoder import encode
from mothertongue.features import log_mel, pad_samples
from mothertongue.tokens import Tokens

Advance = Callable[[int], None]
"""Told how many clips were just finished."""


class TorchTranscriber:
    """Decodes clips in batches of equal context, longest first; the order of results is kept.

    In another dtype than the model's it decodes with a copy: an adapter that is switched on or off
    later is not in it.
    """

    def __init__(
        self,
        model: WhisperForConditionalGeneration,
        tokens: Tokens,
        *,
        context: Context,
        config: DecodeConfig,
        dtype: torch.dtype = torch.float32,
        advance: Advance = lambda _: None,
    ) -> None:
        self.model = as_dtype(model, dtype).eval()
        self.tokens, self.context, self.config, self.advance = tokens, context, config, advance
        self.device = model.device
        self.rules = rules(model, tokens)

    @torch.inference_mode()
    def __call__(self, audio: Sequence[Samples], language: str | None) -> list[Transcript]:
        """One transcript a clip. Raises ValueError for a clip of more than 30 s."""
        hidden_TD: dict[int, Tensor] = {}
        done: dict[int, Transcript] = {}
        size = self.config.batch_size
        for seconds, batch in batches_of_context(audio, self.context, size):
            hidden_BTD = self._encode([audio[i] for i in batch], seconds)
            hidden_TD.update(zip(batch, hidden_BTD, strict=True))
            while len(hidden_TD) >= size or (
                hidden_TD and len(hidden_TD) + len(done) == len(audio)
            ):
                ready = dict(islice(hidden_TD.items(), size))
                hidden_TD = dict(islice(hidden_TD.items(), size, None))
                seconds_B = [len(audio[i]) / SAMPLE_RATE_HZ for i in ready]
                found = self._decode([*ready.values()], seconds_B, language)
                done.update(zip(ready, found, strict=True))
                self.advance(len(ready))
        return [done[i] for i in range(len(audio))]

    def _decode(
        self, hidden_TD: list[Tensor], seconds_B: list[float], language: str | None
    ) -> list[Transcript]:
        languages, detected = clip_languages(
            len(hidden_TD), language, self.config, lambda: self.detect(hidden_TD)
        )
        prefixes = [self.tokens.prefix(code) for code in languages]
        limits = [token_limit(each) for each in seconds_B]
        found = self._search(hidden_TD, prefixes, limits)
        return [
            make_transcript(self.tokens, code, each.tokens, each.average_log_probability, heard)
            for code, each, heard in zip(languages, found, detected, strict=True)
        ]

    def _encode(self, clips: list[Samples], context: int) -> Tensor:
        mel_BMF = log_mel(
            pad_samples(clips, context).to(self.device), self.model.config.num_mel_bins
        )
        return encode(self.model.model.encoder, mel_BMF.to(self.model.dtype))

    def _search(
        self, hidden_TD: list[Tensor], prefixes: list[list[int]], limits: list[int]
    ) -> list[Hypothesis]:
        if self.config.beam_size == 1:
            return greedy(self.model, hidden_TD, prefixes, limits, self.rules)
        return beam(self.model, hidden_TD, prefixes, limits, self.rules, self.config.beam_size)

    def detect(self, hidden_TD: Sequence[Tensor]) -> list[str]:
        """The most likely language of each clip, among Whisper's."""
        codes, ids = zip(*self.tokens.languages.items(), strict=True)
        start_B1 = torch.full((len(hidden_TD), 1), self.tokens.start, device=self.device)
        scores_BV = DecoderState(self.model, hidden_TD).logits(start_B1)
        return [codes[i] for i in scores_BV[:, list(ids)].argmax(-1).tolist()]


def rules(model: WhisperForConditionalGeneration, tokens: Tokens) -> Rules:
    """What this model's generation configuration says is never written."""
    config = model.generation_config
    always_V = torch.zeros(model.config.vocab_size, device=model.device)
    always_V[list(config.suppress_tokens or [])] = -torch.inf
    always_V[tokens.no_timestamps + 1 :] = -torch.inf
    first_V = torch.zeros_like(always_V)
    first_V[list(config.begin_suppress_tokens or [])] = -torch.inf
    return Rules(always_V, first_V, tokens.end)


def as_dtype(
    model: WhisperForConditionalGeneration, dtype: torch.dtype
) -> WhisperForConditionalGeneration:
    """The model itself when all of it has this type, else a copy: a run keeps its float32."""
    if all(each.dtype == dtype for each in model.parameters()):
        return model
    return nn.Module.to(copy.deepcopy(model), dtype)
