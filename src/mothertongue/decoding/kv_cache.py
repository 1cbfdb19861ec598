"""Run Whisper's decoder token by token; keys and values are computed once, written in place.

The numbers equal those of transformers' decoder, whose cache copies the whole past at every token
and takes clips of one context only. B clips, K beams a clip, N = B x K rows, L new tokens, P past
ones, T encoder frames, D width, H heads, E width of a head, V vocabulary.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence
from transformers import WhisperForConditionalGeneration

from mothertongue.model.adapters import AdaptedLayer, AdapterAssignment

GROWTH_TOKENS = 64  # the room for keys and values grows by so many tokens at a time


class DecoderState:
    """The key-value cache of each row: keys and values of its tokens and of its audio."""

    def __init__(
        self,
        model: WhisperForConditionalGeneration,
        hidden_TD: Sequence[Tensor],
        beam_size: int = 1,
        adapter_rows: AdapterAssignment | None = None,
    ) -> None:
        """`hidden_TD`: the encoder's output of each clip, of any length; its K rows share it.

        `adapter_rows`: which adapter each clip takes, where the model mixes them.
        """
        self.model, self.beam_size, self.adapter_rows = model, beam_size, adapter_rows
        self.decoder: Any = model.model.decoder
        self.past = 0
        lengths = [len(each) for each in hidden_TD]
        hidden_BTD = pad_sequence(list(hidden_TD), batch_first=True)
        self.mask_B11T = _mask(lengths, hidden_BTD) if len(set(lengths)) > 1 else None
        self.layers = [
            _LayerState(layer, hidden_BTD, len(lengths) * beam_size)
            for layer in self.decoder.layers
        ]

    def logits(self, tokens_NL: Tensor) -> Tensor:
        """Append tokens to the cache; return logits (N, V), float32, of the next token."""
        return self.model.proj_out(self._hidden(tokens_NL)[:, -1]).float()

    def read(self, tokens_BL: Tensor, heads: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """Return hidden_BLD before the vocabulary, and attention scores_BHLT of these heads.

        The scores are those before the softmax, of frames beyond a clip's end too.
        """
        for i, layer in enumerate(self.layers):
            layer.captured_heads = [head for place, head in heads if place == i]
        hidden_BLD = self._hidden(tokens_BL)
        scores = [
            layer.captured_scores for layer in self.layers if layer.captured_scores is not None
        ]
        return hidden_BLD, torch.cat(scores, 1)

    def _hidden(self, tokens_NL: Tensor) -> Tensor:
        """Return hidden_NLD after the last LayerNorm."""
        count = tokens_NL.shape[1]
        positions = self.decoder.embed_positions.weight[self.past : self.past + count]
        hidden_NLD = self.decoder.embed_tokens(tokens_NL) + positions
        for layer in self.layers:
            hidden_NLD = layer.forward(hidden_NLD, self.past, self.beam_size, self.mask_B11T)
        self.past += count
        normed_NLD: Tensor = self.decoder.layer_norm(hidden_NLD)
        return normed_NLD

    def select(self, rows: Sequence[int]) -> None:
        """Keep only these rows, in this order: all K rows of each clip that stays."""
        kept = torch.tensor(rows, device=self.model.device)
        clips = kept[:: self.beam_size] // self.beam_size
        if self.adapter_rows is not None:
            self.adapter_rows.keep(clips.tolist())
        self.mask_B11T = None if self.mask_B11T is None else self.mask_B11T[clips]
        for layer in self.layers:
            layer.keep_rows(kept)
            layer.keep_clips(clips)

    def reorder(self, rows: Sequence[int]) -> None:
        """Give each row the past of another row of the same clip."""
        kept = torch.tensor(rows, device=self.model.device)
        for layer in self.layers:
            layer.keep_rows(kept)


class _LayerState:
    """A decoder layer, with or without adapters, and its keys and values."""

    def __init__(self, layer: nn.Module, hidden_BTD: Tensor, rows: int) -> None:
        self.adapted = layer if isinstance(layer, AdaptedLayer) else None
        self.layer: Any = layer.base_layer if isinstance(layer, AdaptedLayer) else layer
        cross: Any = self.layer.encoder_attn
        self.heads = cross.num_heads
        self.cross_kv = self._split(cross.k_proj(hidden_BTD)), self._split(cross.v_proj(hidden_BTD))
        shape = (rows, self.heads, 0, cross.head_dim)
        self.self_kv = hidden_BTD.new_empty(shape), hidden_BTD.new_empty(shape)
        self.captured_heads: list[int] = []
        """The heads whose scores for the audio are kept in `captured_scores`, (B, heads, L, T)."""
        self.captured_scores: Tensor | None = None

    def forward(self, x_NLD: Tensor, past: int, beam_size: int, mask_B11T: Tensor | None) -> Tensor:
        layer = self.layer
        x_NLD = x_NLD + self._attend_to_text(layer.self_attn_layer_norm(x_NLD), past)
        normed_NLD = layer.encoder_attn_layer_norm(x_NLD)
        x_NLD = x_NLD + self._attend_to_audio(normed_NLD, beam_size, mask_B11T)
        x_NLD = x_NLD + layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(x_NLD))))
        return x_NLD if self.adapted is None else self.adapted.adapt(x_NLD)

    def keep_rows(self, rows: Tensor) -> None:
        self.self_kv = self.self_kv[0][rows], self.self_kv[1][rows]

    def keep_clips(self, clips: Tensor) -> None:
        self.cross_kv = self.cross_kv[0][clips], self.cross_kv[1][clips]

    def _attend_to_text(self, x_NLD: Tensor, past: int) -> Tensor:
        attention = self.layer.self_attn
        end = past + x_NLD.shape[1]
        self._make_room(end)
        keys_NHPE, values_NHPE = self.self_kv
        keys_NHPE[:, :, past:end] = self._split(attention.k_proj(x_NLD))
        values_NHPE[:, :, past:end] = self._split(attention.v_proj(x_NLD))
        queries_NHLE = self._split(attention.q_proj(x_NLD) * attention.scaling)
        out_NHLE = scaled_dot_product_attention(
            queries_NHLE,
            keys_NHPE[:, :, :end],
            values_NHPE[:, :, :end],
            is_causal=x_NLD.shape[1] > 1,  # several tokens at once come first: there is no past
            scale=1.0,
        )
        return self._join(out_NHLE, x_NLD, attention)

    def _attend_to_audio(self, x_NLD: Tensor, beam_size: int, mask_B11T: Tensor | None) -> Tensor:
        """Attend to the audio; the K beams of a clip share its keys, as K times the tokens."""
        attention = self.layer.encoder_attn
        queries_NLD = attention.q_proj(x_NLD) * attention.scaling
        queries_BHQE = self._split(queries_NLD.reshape(-1, beam_size * x_NLD.shape[1], self._width))
        if self.captured_heads:
            keys_BHTE = self.cross_kv[0][:, self.captured_heads]
            self.captured_scores = queries_BHQE[:, self.captured_heads] @ keys_BHTE.transpose(2, 3)
        out_BHQE = scaled_dot_product_attention(
            queries_BHQE, *self.cross_kv, attn_mask=mask_B11T, scale=1.0
        )
        return self._join(out_BHQE, x_NLD, attention)

    @property
    def _width(self) -> int:
        return int(self.layer.encoder_attn.embed_dim)

    def _make_room(self, tokens: int) -> None:
        room = self.self_kv[0].shape[2]
        if tokens > room:
            more = (0, 0, 0, max(GROWTH_TOKENS, tokens - room))
            self.self_kv = (
                nn.functional.pad(self.self_kv[0], more),
                nn.functional.pad(self.self_kv[1], more),
            )

    def _split(self, x_NLD: Tensor) -> Tensor:
        """Return x_NHLE."""
        return x_NLD.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _join(self, x_BHQE: Tensor, like_NLD: Tensor, attention: Any) -> Tensor:
        joined: Tensor = attention.out_proj(x_BHQE.transpose(1, 2).reshape(like_NLD.shape))
        return joined


def _mask(lengths: Sequence[int], hidden_BTD: Tensor) -> Tensor:
    """Return a mask (B, 1, 1, T) of 0 and -inf, so that no clip attends beyond its end."""
    frames_T = torch.arange(hidden_BTD.shape[1], device=hidden_BTD.device)
    is_beyond_BT = frames_T >= torch.tensor(lengths, device=hidden_BTD.device)[:, None]
    mask_BT = torch.zeros_like(is_beyond_BT, dtype=hidden_BTD.dtype)
    return mask_BT.masked_fill(is_beyond_BT, -torch.inf)[:, None, None]
