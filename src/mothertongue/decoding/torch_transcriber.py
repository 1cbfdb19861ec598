"""Any Whisper that torch can run: a base, a tuned model, a model with adapters.

B clips of one context, T encoder frames, D width, V vocabulary.
"""

import copy
from collections.abc import Callable, Sequence
from itertools import islice

import torch
from torch import Tensor, nn
from transformers import WhisperForConditionalGeneration

from mothertongue.decoding.attention_alignment import align
from mothertongue.decoding.kv_cache import DecoderState
from mothertongue.decoding.scorers import scorer_of
from mothertongue.decoding.search import Hypothesis, Rules, beam, greedy
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
from mothertongue.decoding.word_timestamps import Alignment
from mothertongue.model.adapters import AdapterAssignment
from mothertongue.model.context import Context
from mothertongue.model.devices import clips_together
from mothertongue.model.encoder import encode
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.model.tokenizer import Tokens

Advance = Callable[[int], None]
"""A callback that receives the number of clips just finished."""


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
        rows: AdapterAssignment | None = None,
    ) -> None:
        """`rows`: the adapter of each clip, for a model with several adapters."""
        self.model = as_dtype(model, dtype).eval()
        self.tokens, self.context, self.config, self.advance = tokens, context, config, advance
        self.device = model.device
        self.rules, self.rows = rules(model, tokens), rows
        self.scorer = scorer_of(config, tokens)

    def __call__(self, audio: Sequence[Samples], language: str | None) -> list[Transcript]:
        """One transcript a clip. Raises ValueError for a clip of more than 30 s."""
        return self.decode([Clip(samples_N, language, self.context) for samples_N in audio])

    @torch.inference_mode()
    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        """One transcript a clip. Raises ValueError for a clip of more than 30 s."""
        hidden_TD: dict[int, Tensor] = {}
        done: dict[int, Transcript] = {}
        size = self.config.batch_size
        for seconds, batch in batches_of_context(clips, size):
            self._put([clips[i] for i in batch])
            hidden_BTD = self._encode([clips[i].samples_N for i in batch], seconds)
            hidden_TD.update(zip(batch, hidden_BTD, strict=True))
            while len(hidden_TD) >= size or (
                hidden_TD and len(hidden_TD) + len(done) == len(clips)
            ):
                ready = dict(islice(hidden_TD.items(), size))
                hidden_TD = dict(islice(hidden_TD.items(), size, None))
                found = self._decode([clips[i] for i in ready], [*ready.values()])
                done.update(zip(ready, found, strict=True))
                self.advance(len(ready))
        return [done[i] for i in range(len(clips))]

    def _decode(self, clips: Sequence[Clip], hidden_TD: Sequence[Tensor]) -> list[Transcript]:
        done: dict[int, Transcript] = {}
        for run in group_by_task_and_prompt(clips):
            found = self._decode_run([clips[i] for i in run], [hidden_TD[i] for i in run])
            done.update(zip(run, found, strict=True))
        return [done[i] for i in range(len(clips))]

    def _decode_run(self, clips: list[Clip], hidden_TD: list[Tensor]) -> list[Transcript]:
        self._put(clips)
        languages, detected = clip_languages(clips, self.config, lambda: self.detect(hidden_TD))
        prefixes = [
            self.tokens.prefix(code, clip.task, clip.prompt)
            for code, clip in zip(languages, clips, strict=True)
        ]
        limits = [token_limit(clip.duration_s, len(prefixes[0])) for clip in clips]
        found = self._search(hidden_TD, prefixes, limits)
        transcripts = [
            make_transcript(
                self.tokens, code, best.tokens, limit, best.average_log_probability, found_language
            )
            for code, best, limit, found_language in zip(
                languages, found, limits, detected, strict=True
            )
        ]
        for i, each in self._alignments(clips, hidden_TD, prefixes, transcripts).items():
            transcripts[i] = with_word_times(transcripts[i], clips[i], each, self.tokens)
        return transcripts

    def _alignments(
        self,
        clips: list[Clip],
        hidden_TD: list[Tensor],
        prefixes: list[list[int]],
        transcripts: list[Transcript],
    ) -> dict[int, Alignment]:
        """The alignments of the clips that ask for word times, by their place in the batch."""
        wanted = [i for i, clip in enumerate(clips) if clip.word_times]
        if not wanted:
            return {}
        self._put([clips[i] for i in wanted])  # decoding dropped what was done
        found = align(
            self.model,
            self.tokens,
            [hidden_TD[i] for i in wanted],
            [prefixes[i] for i in wanted],
            [transcripts[i].tokens for i in wanted],
            [clips[i].duration_s for i in wanted],
            self.rows,
        )
        return dict(zip(wanted, found, strict=True))

    def _put(self, clips: Sequence[Clip]) -> None:
        """Assign to each row of the model's layers its adapter."""
        if self.rows is not None:
            self.rows.put([clip.adapter for clip in clips])

    def _encode(self, clips: list[Samples], context_s: int) -> Tensor:
        """hidden_BTD of clips at one context, on a CPU a few of them at a time."""
        size = clips_together(context_s, self.device) or len(clips)
        parts = [
            self._hidden(pad_samples(clips[i : i + size], context_s))
            for i in range(0, len(clips), size)
        ]
        return torch.cat(parts)

    def _hidden(self, samples_BS: Tensor) -> Tensor:
        mel_BMF = log_mel(samples_BS.to(self.device), self.model.config.num_mel_bins)
        return encode(self.model.model.encoder, mel_BMF.to(self.model.dtype))

    def _search(
        self, hidden_TD: list[Tensor], prefixes: list[list[int]], limits: list[int]
    ) -> list[Hypothesis]:
        size = self.config.beam_size
        if size == 1 and self.scorer is None:
            return greedy(self.model, hidden_TD, prefixes, limits, self.rules, self.rows)
        return beam(
            self.model, hidden_TD, prefixes, limits, self.rules, size, self.rows, self.scorer
        )

    def detect(self, hidden_TD: Sequence[Tensor]) -> list[str]:
        """The most likely language of each clip, among Whisper's."""
        codes, ids = zip(*self.tokens.languages.items(), strict=True)
        start_B1 = torch.full((len(hidden_TD), 1), self.tokens.start, device=self.device)
        scores_BV = DecoderState(self.model, hidden_TD, 1, self.rows).logits(start_B1)
        return [codes[i] for i in scores_BV[:, list(ids)].argmax(-1).tolist()]


def rules(model: WhisperForConditionalGeneration, tokens: Tokens) -> Rules:
    """The masks of the tokens that the model's generation configuration suppresses."""
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
    # Each parameter is cast by itself: there never is a second model in the old type.
    cast = {id(each): nn.Parameter(each.detach().to(dtype), False) for each in model.parameters()}
    return nn.Module.to(copy.deepcopy(model, cast), dtype)
