"""The passes of training with half the operations, for a GPU that waits for Python to start them.

It computes what transformers' layers compute under autocast: q, k and v in one product; one cast
after each norm instead of one for each product; the keys and values of all cross-attentions in one
product; the scale inside of the attention.
B batch, L label tokens, M mels, F mel frames, T encoder frames, D width, H heads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, gelu, layer_norm, linear, scaled_dot_product_attention

from mothertongue.model.adapters import AdaptedLayer
from mothertongue.strategies.base import Whisper
from mothertongue.training.loss import LabelLoss, per_target
from mothertongue.training.shadow_weights import ShadowWeights
from mothertongue.training.tied_embedding import embed, projected_cross_entropy


def lean_obstacle(model: Whisper) -> str | None:
    """Return what this model has that the lean passes do not compute; None: nothing."""
    config = model.config
    for name in ("dropout", "attention_dropout", "activation_dropout"):
        if getattr(config, name):
            return f"the base's {name}"
    if config.activation_function != "gelu":
        return f"the activation {config.activation_function}"
    if config._attn_implementation != "sdpa":
        return f"the attention {config._attn_implementation}"
    for module in model.modules():
        if isinstance(module, AdaptedLayer) and module.rows is not None:
            return "rows with adapters of their own"
        if getattr(module, "lora_variant", None):
            return "a variant of LoRA with a formula of its own"
    return None


class LeanPasses:
    """The forward passes of a model whose weights a `LabelLoss` prepared."""

    def __init__(self, loss: LabelLoss, dtype: torch.dtype, *, is_compiled: bool = False) -> None:
        """`is_compiled`: torch.compile fuses what lies between the products of a layer.

        Raises ValueError where `lean_obstacle` finds one.
        """
        if obstacle := lean_obstacle(loss.model):
            raise ValueError(f"no lean passes with {obstacle}")
        self.loss, self.dtype = loss, dtype
        self.weights = ShadowWeights(dtype)
        encoder, decoder = loss.model.model.encoder, loss.model.model.decoder
        convolutions = () if loss.depth else (encoder.conv1, encoder.conv2)
        self._stem = [_Product(self.weights, [each]) for each in convolutions]
        self._encoder = [_Layer(self.weights, each) for each in encoder.layers[loss.depth :]]
        self._decoder = [_Layer(self.weights, each) for each in decoder.layers]
        # One graph serves all layers that are alike, at any length.
        made = partial(torch.compile, dynamic=True) if is_compiled else _same
        self._encode, self._decode = made(_Layer.encoded), made(_Layer.decoded)
        across = [_base(layer).encoder_attn for layer in decoder.layers]
        self._keys_and_values = _Product(
            self.weights, [each for part in across for each in (part.k_proj, part.v_proj)]
        )

    def of_features(
        self,
        features: Tensor,
        inputs_BL: Tensor,
        targets_BL: Tensor,
        factors_B: Tensor | None = None,
    ) -> Tensor:
        """Return what `LabelLoss.of_features` does for all rows; under autocast as there."""
        whisper = self.loss.model.model
        embedded_BLD, weight_VD = embed(inputs_BL, whisper.decoder.embed_tokens)
        states_BLD = self._decoded(embedded_BLD, self._encoded(features))
        return projected_cross_entropy(
            states_BLD.flatten(0, 1),
            weight_VD if self.loss.frozen_VD is None else self.loss.frozen_VD,
            targets_BL.flatten(),
            per_target(factors_B, targets_BL),
        )

    def _encoded(self, features: Tensor) -> Tensor:
        """Return the encoder's output in the products' type: only products read it."""
        encoder = self.loss.model.model.encoder
        hidden_BTD = features if self.loss.depth else self._stemmed(features)
        for layer in self._encoder:
            hidden_BTD = self._encode(layer, hidden_BTD)
        return _norm(encoder.layer_norm, hidden_BTD).to(self.dtype)

    def _stemmed(self, mel_BMF: Tensor) -> Tensor:
        first, second = self._stem
        hidden_BDF = gelu(conv1d(mel_BMF.to(self.dtype), first.weight, first.bias, padding=1))
        hidden_BDT = gelu(conv1d(hidden_BDF, second.weight, second.bias, stride=2, padding=1))
        hidden_BTD = hidden_BDT.transpose(1, 2)
        positions_TD = self.loss.model.model.encoder.embed_positions.weight
        return hidden_BTD + positions_TD[: hidden_BTD.shape[1]]

    def _decoded(self, embedded_BLD: Tensor, hidden_BTD: Tensor) -> Tensor:
        decoder = self.loss.model.model.decoder
        states_BLD = embedded_BLD + decoder.embed_positions.weight[: embedded_BLD.shape[1]]
        keys_and_values = self._keys_and_values(hidden_BTD)
        for place, layer in enumerate(self._decoder):
            keys_BTD, values_BTD = keys_and_values[2 * place : 2 * place + 2]
            states_BLD = self._decode(layer, states_BLD, keys_BTD, values_BTD)
        return _norm(decoder.layer_norm, states_BLD)


@dataclass(frozen=True, slots=True)
class _LowRank:
    """LoRA's change of one of the outputs of a product."""

    place: int
    down_RD: Tensor
    up_ER: Tensor
    scale: float
    dropout: nn.Module

    def of(self, x_BTD: Tensor) -> Tensor:
        return linear(linear(self.dropout(x_BTD), self.down_RD) * self.scale, self.up_ER)


class _Product:
    """Layers that multiply the same input, in one product, with LoRA's changes added."""

    def __init__(self, weights: ShadowWeights, modules: Sequence[Any]) -> None:
        bases = [getattr(each, "base_layer", each) for each in modules]
        self.sizes = [len(each.weight) for each in bases]
        self.weight = weights.joined(*(each.weight for each in bases))
        biases = [
            size if each.bias is None else each.bias
            for each, size in zip(bases, self.sizes, strict=True)
        ]
        has_bias = any(isinstance(each, Tensor) for each in biases)
        self.bias = weights.joined(*biases) if has_bias else None
        self.low_rank = [
            _LowRank(
                place,
                weights.joined(each.lora_A[name].weight),
                weights.joined(each.lora_B[name].weight),
                each.scaling[name],
                each.lora_dropout[name],
            )
            for place, each in enumerate(modules)
            if hasattr(each, "lora_A")
            for name in each.active_adapters
        ]

    def __call__(self, x_BTD: Tensor) -> list[Tensor]:
        """Return the output of each layer, of the type of x_BTD."""
        output = linear(x_BTD, self.weight, self.bias)
        outputs = [output] if len(self.sizes) == 1 else list(output.split(self.sizes, -1))
        for each in self.low_rank:
            outputs[each.place] = outputs[each.place] + each.of(x_BTD)
        return outputs


class _Layer:
    """A layer of the encoder or the decoder, with its bottleneck adapters.

    What goes from layer to layer is float32, what goes into a product is of the products' type.
    """

    def __init__(self, weights: ShadowWeights, layer: nn.Module) -> None:
        module = _base(layer)
        attention = module.self_attn
        self.module, self.dtype, self.heads = module, weights.dtype, attention.num_heads
        self.scale = attention.scaling
        parts = [attention.q_proj, attention.k_proj, attention.v_proj]
        self.queries_keys_values = _Product(weights, parts)
        self.out = _Product(weights, [attention.out_proj])
        self.first, self.second = (_Product(weights, [x]) for x in (module.fc1, module.fc2))
        self.has_cross = hasattr(module, "encoder_attn")
        if self.has_cross:
            across = module.encoder_attn
            self.cross_queries = _Product(weights, [across.q_proj])
            self.cross_out = _Product(weights, [across.out_proj])
        self.adapters = [
            (each.norm, _Product(weights, [each.down]), _Product(weights, [each.up]))
            for each in _adapters(layer)
        ]

    def encoded(self, hidden_BTD: Tensor) -> Tensor:
        """Return hidden_BTD after a layer of the encoder."""
        return self.adapted(self.fed(self.attended(hidden_BTD, is_causal=False)))

    def decoded(self, states_BLD: Tensor, keys_BTD: Tensor, values_BTD: Tensor) -> Tensor:
        """Return states_BLD after a layer of the decoder."""
        states_BLD = self.attended(states_BLD, is_causal=True)
        return self.adapted(self.fed(self.crossed(states_BLD, keys_BTD, values_BTD)))

    def attended(self, hidden_BTD: Tensor, is_causal: bool) -> Tensor:
        """Return hidden_BTD after self-attention."""
        x_BTD = self._normed(self.module.self_attn_layer_norm, hidden_BTD)
        mixed_BTD = self._attention(*self.queries_keys_values(x_BTD), is_causal=is_causal)
        return hidden_BTD + self.out(mixed_BTD)[0]

    def crossed(self, states_BLD: Tensor, keys_BTD: Tensor, values_BTD: Tensor) -> Tensor:
        """Return states_BLD after the attention to the encoder's output."""
        x_BLD = self._normed(self.module.encoder_attn_layer_norm, states_BLD)
        (queries_BLD,) = self.cross_queries(x_BLD)
        mixed_BLD = self._attention(queries_BLD, keys_BTD, values_BTD, is_causal=False)
        return states_BLD + self.cross_out(mixed_BLD)[0]

    def fed(self, hidden_BTD: Tensor) -> Tensor:
        """Return hidden_BTD after the feed-forward layers."""
        x_BTD = self._normed(self.module.final_layer_norm, hidden_BTD)
        return hidden_BTD + self.second(gelu(self.first(x_BTD)[0]))[0]

    def adapted(self, hidden_BTD: Tensor) -> Tensor:
        """Return hidden_BTD after the adapters."""
        for norm, down, up in self.adapters:
            x_BTD = self._normed(norm, hidden_BTD)
            hidden_BTD = hidden_BTD + up(gelu(down(x_BTD)[0]))[0]
        return hidden_BTD

    def _normed(self, norm: nn.LayerNorm, hidden_BTD: Tensor) -> Tensor:
        return _norm(norm, hidden_BTD).to(self.dtype)

    def _attention(
        self, queries: Tensor, keys: Tensor, values: Tensor, *, is_causal: bool
    ) -> Tensor:
        queries, keys, values = map(self._by_head, (queries, keys, values))
        mixed_BHLd = scaled_dot_product_attention(
            queries, keys, values, is_causal=is_causal, scale=self.scale
        )
        return mixed_BHLd.transpose(1, 2).flatten(2)

    def _by_head(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def _same(function: Any) -> Any:
    return function


def _norm(norm: nn.LayerNorm, hidden_BTD: Tensor) -> Tensor:
    return layer_norm(hidden_BTD, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def _base(layer: Any) -> Any:
    return layer.base_layer if isinstance(layer, AdaptedLayer) else layer


def _adapters(layer: Any) -> list[Any]:
    if not isinstance(layer, AdaptedLayer):
        return []
    return [layer.adapters[name] for name in layer.active if name in layer.adapters]
