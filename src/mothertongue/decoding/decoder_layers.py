"""Run the layers of Whisper's decoder over keys and values that somebody else keeps.

The numbers equal those of transformers' decoder, whose cache takes clips of one context only.
B clips, K beams a clip, N = B x K rows, L new tokens, P tokens so far, T encoder frames, D width,
H heads, E width of a head.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence
from transformers import WhisperForConditionalGeneration

from mothertongue.model.adapters import AdaptedLayer

KeysAndValues = tuple[Tensor, Tensor]
Remember = Callable[[Tensor, Tensor], KeysAndValues]
"""Takes the keys and values (N, H, L, E) of new tokens; returns those of all tokens so far."""


def one_query_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """Return the type to keep keys and values in, for the attention of one token at a time.

    A CPU decodes faster with it in float32 than in bfloat16 (benchmarks/precision.py).
    """
    return torch.float32 if device.type == "cpu" else dtype


class DecoderLayers:
    """The layers between the tokens and the vocabulary."""

    def __init__(self, model: WhisperForConditionalGeneration) -> None:
        self.decoder: Any = model.model.decoder
        self.layers = [DecoderLayer(each) for each in self.decoder.layers]

    def __call__(
        self,
        tokens_NL: Tensor,
        positions: Tensor,
        remember: Sequence[Remember],
        text_mask_N11P: Tensor | None,
        audio_BHTE: Iterable[KeysAndValues],
        audio_mask_B11T: Tensor,
    ) -> Tensor:
        """Return hidden_NLD after the last norm. `positions`: those of the tokens, (L,) or (N, L).

        Without a mask for the text, the tokens are the first ones, and each sees those before it.
        """
        hidden_NLD = self.decoder.embed_tokens(tokens_NL)
        hidden_NLD = hidden_NLD + self.decoder.embed_positions.weight[positions]
        for layer, kept, heard in zip(self.layers, remember, audio_BHTE, strict=True):
            hidden_NLD = layer(hidden_NLD, kept, text_mask_N11P, heard, audio_mask_B11T)
        normed_NLD: Tensor = self.decoder.layer_norm(hidden_NLD)
        return normed_NLD


class DecoderLayer:
    """A decoder layer, with or without adapters."""

    def __init__(self, layer: nn.Module) -> None:
        self.adapted = layer if isinstance(layer, AdaptedLayer) else None
        self.layer: Any = layer.base_layer if isinstance(layer, AdaptedLayer) else layer
        attention: Any = self.layer.encoder_attn
        self.heads: int = attention.num_heads
        self.head_width: int = attention.head_dim
        self.captured_heads: list[int] = []
        """The heads whose scores for the audio are kept in `captured_scores`, (B, heads, L, T)."""
        self.captured_scores: Tensor | None = None

    def listen(self, hidden_BTD: Tensor) -> KeysAndValues:
        """Return the keys and values (B, H, T, E) of the encoder's output."""
        attention = self.layer.encoder_attn
        return self._split(attention.k_proj(hidden_BTD)), self._split(attention.v_proj(hidden_BTD))

    def __call__(
        self,
        x_NLD: Tensor,
        remember: Remember,
        text_mask_N11P: Tensor | None,
        audio_BHTE: KeysAndValues,
        audio_mask_B11T: Tensor,
    ) -> Tensor:
        """Return x_NLD after this layer."""
        layer = self.layer
        normed_NLD = layer.self_attn_layer_norm(x_NLD)
        x_NLD = x_NLD + self._attend_to_text(normed_NLD, remember, text_mask_N11P)
        normed_NLD = layer.encoder_attn_layer_norm(x_NLD)
        x_NLD = x_NLD + self._attend_to_audio(normed_NLD, audio_BHTE, audio_mask_B11T)
        x_NLD = x_NLD + layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(x_NLD))))
        return x_NLD if self.adapted is None else self.adapted.adapt(x_NLD)

    def _attend_to_text(
        self, x_NLD: Tensor, remember: Remember, mask_N11P: Tensor | None
    ) -> Tensor:
        attention = self.layer.self_attn
        keys_NHPE, values_NHPE = remember(
            self._split(attention.k_proj(x_NLD)), self._split(attention.v_proj(x_NLD))
        )
        out_NHLE = scaled_dot_product_attention(
            self._split(attention.q_proj(x_NLD)).to(keys_NHPE.dtype),
            keys_NHPE,
            values_NHPE,
            attn_mask=mask_N11P,
            is_causal=mask_N11P is None,
            scale=attention.scaling,
        )
        return self._join(out_NHLE, x_NLD, attention)

    def _attend_to_audio(
        self, x_NLD: Tensor, audio_BHTE: KeysAndValues, mask_B11T: Tensor
    ) -> Tensor:
        """Attend to the audio; the K beams of a clip share its keys, as K times the tokens."""
        attention = self.layer.encoder_attn
        keys_BHTE, values_BHTE = audio_BHTE
        queries_NLD = attention.q_proj(x_NLD)
        queries_BHQE = self._split(queries_NLD.reshape(len(keys_BHTE), -1, queries_NLD.shape[-1]))
        if self.captured_heads:
            scaled_BHQE = queries_BHQE[:, self.captured_heads] * attention.scaling
            self.captured_scores = scaled_BHQE @ keys_BHTE[:, self.captured_heads].transpose(2, 3)
        queries_BHQE = queries_BHQE.to(keys_BHTE.dtype)
        out_BHQE = scaled_dot_product_attention(
            queries_BHQE, keys_BHTE, values_BHTE, attn_mask=mask_B11T, scale=attention.scaling
        )
        return self._join(out_BHQE, x_NLD, attention)

    def _split(self, x_NLD: Tensor) -> Tensor:
        """Return x_NHLE."""
        return x_NLD.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _join(self, x_BHQE: Tensor, like_NLD: Tensor, attention: Any) -> Tensor:
        mixed_NLD = x_BHQE.transpose(1, 2).reshape(like_NLD.shape).to(like_NLD.dtype)
        joined: Tensor = attention.out_proj(mixed_NLD)
        return joined


def read(
    model: WhisperForConditionalGeneration,
    hidden_TD: Sequence[Tensor],
    tokens_BL: Tensor,
    heads: Sequence[tuple[int, int]] = (),
) -> tuple[Tensor, list[Tensor]]:
    """Return hidden_BLD before the vocabulary of whole texts, and attention scores of some heads.

    `hidden_TD`: the encoder's output of each clip, of any length. `heads`: pairs (layer, head) in
    the order of the layers. The scores (B, heads, L, T), one tensor a layer, are those before the
    softmax, of frames beyond a clip's end too.
    """
    decoder = DecoderLayers(model)
    hidden_BTD = pad_sequence(list(hidden_TD), batch_first=True)
    frames_B = torch.tensor([len(each) for each in hidden_TD], device=hidden_BTD.device)
    for i, layer in enumerate(decoder.layers):
        layer.captured_heads = [head for place, head in heads if place == i]
    hidden_BLD = decoder(
        tokens_BL,
        torch.arange(tokens_BL.shape[1], device=tokens_BL.device),
        [lambda keys, values: (keys, values)] * len(decoder.layers),
        None,
        (layer.listen(hidden_BTD) for layer in decoder.layers),
        mask_beyond(frames_B, hidden_BTD.shape[1], hidden_BTD.dtype),
    )
    scores = [each.captured_scores for each in decoder.layers if each.captured_scores is not None]
    return hidden_BLD, scores


def mask_beyond(lengths_B: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    """Return a mask (B, 1, 1, size) of 0 before each length and -inf from there on."""
    is_beyond_BT = torch.arange(size, device=lengths_B.device) >= lengths_B[:, None]
    mask_BT = torch.zeros_like(is_beyond_BT, dtype=dtype).masked_fill(is_beyond_BT, -torch.inf)
    return mask_BT[:, None, None]
