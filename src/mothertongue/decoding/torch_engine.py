"""Any Whisper that torch can run: a base, a tuned model, a model with adapters.

B clips of one context, T encoder frames, D width, V vocabulary.
"""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from transformers import WhisperForConditionalGeneration

from mothertongue.audio import SAMPLE_RATE_HZ
from mothertongue.batches import Context, context_s
from mothertongue.decoding.search import Hypothesis, Rules, beam, greedy
from mothertongue.decoding.transcript import (
    DecodeConfig,
    Samples,
    Transcript,
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
        contexts = [context_s(len(clip) / SAMPLE_RATE_HZ, self.context) for clip in audio]
        order = sorted(range(len(audio)), key=lambda i: (-contexts[i], -len(audio[i])))
        done: dict[int, Transcript] = {}
        for batch in _batches(order, contexts, self.config.batch_size):
            clips = [audio[i] for i in batch]
            for i, transcript in zip(
                batch, self._batch(clips, contexts[batch[0]], language), strict=True
            ):
                done[i] = transcript
            self.advance(len(batch))
        return [done[i] for i in range(len(audio))]

    def _batch(self, clips: list[Samples], context: int, language: str | None) -> list[Transcript]:
        hidden_BTD = self._encode(clips, context)
        languages, detected = clip_languages(
            len(clips), language, self.config, lambda: self.detect(hidden_BTD)
        )
        prefixes = [self.tokens.prefix(code) for code in languages]
        limits = [token_limit(len(clip) / SAMPLE_RATE_HZ) for clip in clips]
        found = self._search(hidden_BTD, prefixes, limits)
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
        self, hidden_BTD: Tensor, prefixes: list[list[int]], limits: list[int]
    ) -> list[Hypothesis]:
        if self.config.beam_size == 1:
            return greedy(self.model, hidden_BTD, prefixes, limits, self.rules)
        return beam(self.model, hidden_BTD, prefixes, limits, self.rules, self.config.beam_size)

    def detect(self, hidden_BTD: Tensor) -> list[str]:
        """The most likely language of each clip, among Whisper's."""
        codes, ids = zip(*self.tokens.languages.items(), strict=True)
        start_B1 = torch.full((len(hidden_BTD), 1), self.tokens.start, device=self.device)
        out = self.model.model.decoder(input_ids=start_B1, encoder_hidden_states=hidden_BTD)
        scores_BV = self.model.proj_out(out.last_hidden_state[:, -1])
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


def _batches(order: Sequence[int], contexts: Sequence[int], size: int) -> list[list[int]]:
    batches: list[list[int]] = []
    for i in order:
        if batches and len(batches[-1]) < size and contexts[batches[-1][0]] == contexts[i]:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches
