"""Any Whisper that torch can run: a base, a tuned model, a model with adapters.

B clips of one context, T encoder frames, D width, V vocabulary.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn
from transformers import WhisperForConditionalGeneration

from mothertongue.decoding.attention_alignment import align
from mothertongue.decoding.beams import Hypothesis
from mothertongue.decoding.decoder_layers import read
from mothertongue.decoding.scorers import scorer_of
from mothertongue.decoding.search import Rules, Search, Waiting
from mothertongue.decoding.transcript import (
    Clip,
    DecodeConfig,
    Samples,
    Transcript,
    batches_of_context,
    clip_languages,
    make_transcript,
    token_limit,
    with_word_times,
)
from mothertongue.model.adapters import AdapterAssignment
from mothertongue.model.context import Context
from mothertongue.model.devices import clips_together
from mothertongue.model.encoder import encode
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.model.graphs import CudaRecorder
from mothertongue.model.tokenizer import Tokens

Advance = Callable[[int], None]
"""A callback that receives the number of clips just finished."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A clip in the search, and what its transcript is made with."""

    clip: Clip
    hidden_TD: Tensor
    language: str
    detected: str | None
    prefix: list[int]
    limit: int


class TorchTranscriber:
    """Encodes clips in batches of equal context, longest first; the order of results is kept.

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
        has_graphs = config.graphs == "auto" and self.device.type == "cuda" and rows is None
        self._recorder = CudaRecorder(self.device) if has_graphs else None
        self._replayed: Search | None = None

    def __call__(self, audio: Sequence[Samples], language: str | None) -> list[Transcript]:
        """One transcript a clip. Raises ValueError for a clip of more than 30 s."""
        return self.decode([Clip(samples_N, language, self.context) for samples_N in audio])

    @torch.inference_mode()
    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        """One transcript a clip. Raises ValueError for a clip of more than 30 s."""
        found: dict[int, Transcript] = {}
        asked: dict[int, _Asked] = {}
        untimed: dict[int, _Asked] = {}
        for i, best in self._search(len(clips))(self._waiting(clips, asked)):
            found[i] = self._transcript(best, each := asked.pop(i))
            if each.clip.word_times:
                untimed[i] = each
            if len(untimed) == self.config.batch_size:
                self._time(untimed, found)
            self.advance(1)
        self._time(untimed, found)
        return [found[i] for i in range(len(clips))]

    def _search(self, clips: int) -> Search:
        """Return a search; one with graphs is kept for later calls."""
        if self._recorder is None:
            return self._made_search(max(1, min(self.config.batch_size, clips)))
        self._replayed = self._replayed or self._made_search(self.config.batch_size)
        return self._replayed

    def _made_search(self, slots: int) -> Search:
        size = self.config.beam_size
        return Search(self.model, self.rules, slots, size, self.scorer, self.rows, self._recorder)

    def _waiting(self, clips: Sequence[Clip], asked: dict[int, "_Asked"]) -> Iterator[Waiting]:
        """Yield the clips ready for the search, and note what was asked of them.

        They are encoded when they are wanted, about a batch ahead.
        """
        encoded = self._encoded(clips)
        while batch := list(islice(encoded, self.config.batch_size)):
            for i, each in self._asked(clips, dict(batch)).items():
                asked[i] = each
                yield Waiting(i, each.hidden_TD, each.prefix, each.limit, each.clip.adapter)

    def _encoded(self, clips: Sequence[Clip]) -> Iterator[tuple[int, Tensor]]:
        """Yield each clip's index and hidden_TD, the longest contexts first."""
        for seconds, batch in batches_of_context(clips, self.config.batch_size):
            self._put([clips[i] for i in batch])
            hidden_BTD = self._encode([clips[i].samples_N for i in batch], seconds)
            yield from zip(batch, hidden_BTD, strict=True)

    def _asked(self, clips: Sequence[Clip], hidden_TD: dict[int, Tensor]) -> dict[int, "_Asked"]:
        batch = [clips[i] for i in hidden_TD]

        def detect() -> list[str]:
            self._put(batch)
            return self.detect(list(hidden_TD.values()))

        languages, detected = clip_languages(batch, self.config, detect)
        found = {}
        for i, clip, code, likeliest in zip(hidden_TD, batch, languages, detected, strict=True):
            prefix = self.tokens.prefix(code, clip.task, clip.prompt)
            limit = token_limit(clip.duration_s, len(prefix))
            found[i] = _Asked(clip, hidden_TD[i], code, likeliest, prefix, limit)
        return found

    def _transcript(self, best: Hypothesis, asked: "_Asked") -> Transcript:
        return make_transcript(
            self.tokens,
            asked.language,
            best.tokens,
            asked.limit,
            best.average_log_probability,
            asked.detected,
        )

    def _time(self, untimed: dict[int, "_Asked"], found: dict[int, Transcript]) -> None:
        """Find the times of the words of these clips, and forget the clips."""
        if not untimed:
            return
        asked = list(untimed.values())
        self._put([each.clip for each in asked])
        alignments = align(
            self.model,
            self.tokens,
            [each.hidden_TD for each in asked],
            [each.prefix for each in asked],
            [found[i].tokens for i in untimed],
            [each.clip.duration_s for each in asked],
        )
        for (i, each), alignment in zip(untimed.items(), alignments, strict=True):
            found[i] = with_word_times(found[i], each.clip, alignment, self.tokens)
        untimed.clear()

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

    def detect(self, hidden_TD: Sequence[Tensor]) -> list[str]:
        """The most likely language of each clip, among Whisper's."""
        codes, ids = zip(*self.tokens.languages.items(), strict=True)
        start_B1 = torch.full((len(hidden_TD), 1), self.tokens.start, device=self.device)
        hidden_B1D, _ = read(self.model, hidden_TD, start_B1)
        scores_BV = self.model.proj_out(hidden_B1D[:, 0]).float()
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
