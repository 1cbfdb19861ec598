"""Rename Whisper's tensors between the layouts of transformers, OpenAI and CTranslate2.

Both functions are pure: tensors by foreign name in, tensors by transformers' name and the shape of
the network out. D is the width, M the mel bins, V the vocabulary.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from mothertongue.errors import DataError
from mothertongue.model.ctranslate2_reader import Array, dequantized

# OpenAI's name -> transformers' name, inside one encoder or decoder block.
OPENAI_BLOCK = {
    "attn.query": "self_attn.q_proj",
    "attn.key": "self_attn.k_proj",
    "attn.value": "self_attn.v_proj",
    "attn.out": "self_attn.out_proj",
    "attn_ln": "self_attn_layer_norm",
    "cross_attn.query": "encoder_attn.q_proj",
    "cross_attn.key": "encoder_attn.k_proj",
    "cross_attn.value": "encoder_attn.v_proj",
    "cross_attn.out": "encoder_attn.out_proj",
    "cross_attn_ln": "encoder_attn_layer_norm",
    "mlp.0": "fc1",
    "mlp.2": "fc2",
    "mlp_ln": "final_layer_norm",
}
OPENAI_TOP = {
    "encoder.conv1": "model.encoder.conv1",
    "encoder.conv2": "model.encoder.conv2",
    "encoder.ln_post": "model.encoder.layer_norm",
    "decoder.ln": "model.decoder.layer_norm",
    "decoder.token_embedding": "model.decoder.embed_tokens",
}
OPENAI_LAYER = re.compile(r"(encoder|decoder)\.blocks\.(\d+)\.(.+)\.(weight|bias)")
OPENAI_POSITIONS = {
    "encoder.positional_embedding": "model.encoder.embed_positions.weight",
    "decoder.positional_embedding": "model.decoder.embed_positions.weight",
}
FROM_BLOCK = {ours: theirs for theirs, ours in OPENAI_BLOCK.items()}
FROM_TOP = {ours: theirs for theirs, ours in OPENAI_TOP.items()}
FROM_POSITIONS = {ours: theirs for theirs, ours in OPENAI_POSITIONS.items()}


def from_openai(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert OpenAI's `model_state_dict` to a float32 state dictionary for transformers.

    Source of the names: openai/whisper `model.py`. Raises DataError on a name that is not among
    them.
    """
    # Copied: what is mapped from a file must not change with it.
    return {_openai_name(name): value.to(torch.float32, copy=True) for name, value in state.items()}


def to_openai(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under OpenAI's names, each once (the projection is the embedding)."""
    return {_to_openai(name): value for name, value in state.items() if name != "proj_out.weight"}


def from_ctranslate2(variables: Mapping[str, Array]) -> dict[str, Tensor]:
    """Convert a CTranslate2 WhisperSpec to a float32 state dictionary for transformers.

    The layout stacks q|k|v of self-attention (linear_0) and k|v of cross-attention (linear_1); the
    key's stored bias is zero, for Whisper's keys have none.
    """
    stored = dict(variables)

    def take(name: str) -> Tensor:
        if name not in stored:
            raise DataError(f"the CTranslate2 model lacks {name}; convert the model again")
        return torch.from_numpy(dequantized(stored, name).copy())

    state: dict[str, Tensor] = {}
    for half in ("encoder", "decoder"):
        ours = f"model.{half}"
        state[f"{ours}.embed_positions.weight"] = take(f"{half}/position_encodings/encodings")
        _norm(state, f"{ours}.layer_norm", take, f"{half}/layer_norm")
        for layer in range(count_layers(stored, half)):
            _ctranslate2_layer(state, f"{ours}.layers.{layer}", take, f"{half}/layer_{layer}")
    for conv in ("conv1", "conv2"):
        _linear(state, f"model.encoder.{conv}", take, f"encoder/{conv}")
    state["model.decoder.embed_tokens.weight"] = take("decoder/embeddings/weight")
    return state


def to_ctranslate2(state: Mapping[str, Tensor]) -> dict[str, Array]:
    """Convert a transformers state dictionary to the variables that `from_ctranslate2` reads.

    The projection to the vocabulary is a variable of its own there.
    """
    found: dict[str, Array] = {}

    def put(name: str, *parts: Tensor) -> None:
        found[name] = torch.cat(parts).contiguous().numpy()

    def linear(theirs: str, *ours: str) -> None:
        weights = [state[f"{name}.weight"] for name in ours]
        put(f"{theirs}/weight", *weights)
        zeros = torch.zeros(len(weights[0]))  # Whisper's keys have no bias
        put(f"{theirs}/bias", *(state.get(f"{name}.bias", zeros) for name in ours))

    def norm(theirs: str, ours: str) -> None:
        put(f"{theirs}/gamma", state[f"{ours}.weight"])
        put(f"{theirs}/beta", state[f"{ours}.bias"])

    for half in ("encoder", "decoder"):
        ours = f"model.{half}"
        put(f"{half}/position_encodings/encodings", state[f"{ours}.embed_positions.weight"])
        norm(f"{half}/layer_norm", f"{ours}.layer_norm")
        for i in range(len({name.split(".")[3] for name in state if f"{ours}.layers." in name})):
            _to_ctranslate2_layer(linear, norm, f"{ours}.layers.{i}", f"{half}/layer_{i}")
    for conv in ("conv1", "conv2"):
        linear(f"encoder/{conv}", f"model.encoder.{conv}")
    put("decoder/embeddings/weight", state["model.decoder.embed_tokens.weight"])
    put("decoder/projection/weight", state["model.decoder.embed_tokens.weight"])
    return found


def count_layers(variables: Mapping[str, Any], half: str) -> int:
    """Return how many layers the encoder or the decoder of a CTranslate2 model has."""
    return len(
        {name.split("/")[1] for name in variables if name.startswith(f"{half}/layer_")}
        - {"layer_norm"}
    )


def _openai_name(name: str) -> str:
    if name in OPENAI_POSITIONS:
        return OPENAI_POSITIONS[name]
    stem, _, kind = name.rpartition(".")
    if stem in OPENAI_TOP:
        return f"{OPENAI_TOP[stem]}.{kind}"
    match = OPENAI_LAYER.fullmatch(name)
    if not match or match[3] not in OPENAI_BLOCK:
        raise DataError(f"tensor {name}: not one of Whisper's; expected an OpenAI checkpoint")
    half, layer, part, kind = match.groups()
    return f"model.{half}.layers.{layer}.{OPENAI_BLOCK[part]}.{kind}"


def _to_openai(name: str) -> str:
    if name in FROM_POSITIONS:
        return FROM_POSITIONS[name]
    stem, _, kind = name.rpartition(".")
    if stem in FROM_TOP:
        return f"{FROM_TOP[stem]}.{kind}"
    _, half, _, layer, part = stem.split(".", 4)
    return f"{half}.blocks.{layer}.{FROM_BLOCK[part]}.{kind}"


Take = Callable[[str], Tensor]


def _ctranslate2_layer(state: dict[str, Tensor], ours: str, take: Take, theirs: str) -> None:
    attention = f"{theirs}/self_attention"
    _stacked(state, [f"{ours}.self_attn.{x}_proj" for x in "qkv"], take, f"{attention}/linear_0")
    _linear(state, f"{ours}.self_attn.out_proj", take, f"{attention}/linear_1")
    _norm(state, f"{ours}.self_attn_layer_norm", take, f"{attention}/layer_norm")
    if theirs.startswith("decoder"):
        attention = f"{theirs}/attention"
        _linear(state, f"{ours}.encoder_attn.q_proj", take, f"{attention}/linear_0")
        _stacked(
            state, [f"{ours}.encoder_attn.{x}_proj" for x in "kv"], take, f"{attention}/linear_1"
        )
        _linear(state, f"{ours}.encoder_attn.out_proj", take, f"{attention}/linear_2")
        _norm(state, f"{ours}.encoder_attn_layer_norm", take, f"{attention}/layer_norm")
    _linear(state, f"{ours}.fc1", take, f"{theirs}/ffn/linear_0")
    _linear(state, f"{ours}.fc2", take, f"{theirs}/ffn/linear_1")
    _norm(state, f"{ours}.final_layer_norm", take, f"{theirs}/ffn/layer_norm")


def _to_ctranslate2_layer(
    linear: Callable[..., None], norm: Callable[..., None], ours: str, theirs: str
) -> None:
    attention = f"{theirs}/self_attention"
    linear(f"{attention}/linear_0", *(f"{ours}.self_attn.{x}_proj" for x in "qkv"))
    linear(f"{attention}/linear_1", f"{ours}.self_attn.out_proj")
    norm(f"{attention}/layer_norm", f"{ours}.self_attn_layer_norm")
    if theirs.startswith("decoder"):
        attention = f"{theirs}/attention"
        linear(f"{attention}/linear_0", f"{ours}.encoder_attn.q_proj")
        linear(f"{attention}/linear_1", *(f"{ours}.encoder_attn.{x}_proj" for x in "kv"))
        linear(f"{attention}/linear_2", f"{ours}.encoder_attn.out_proj")
        norm(f"{attention}/layer_norm", f"{ours}.encoder_attn_layer_norm")
    linear(f"{theirs}/ffn/linear_0", f"{ours}.fc1")
    linear(f"{theirs}/ffn/linear_1", f"{ours}.fc2")
    norm(f"{theirs}/ffn/layer_norm", f"{ours}.final_layer_norm")


def _linear(state: dict[str, Tensor], ours: str, take: Take, theirs: str) -> None:
    state[f"{ours}.weight"] = take(f"{theirs}/weight")
    state[f"{ours}.bias"] = take(f"{theirs}/bias")


def _norm(state: dict[str, Tensor], ours: str, take: Take, theirs: str) -> None:
    state[f"{ours}.weight"] = take(f"{theirs}/gamma")
    state[f"{ours}.bias"] = take(f"{theirs}/beta")


def _stacked(state: dict[str, Tensor], ours: list[str], take: Take, theirs: str) -> None:
    weights = take(f"{theirs}/weight").chunk(len(ours))
    biases = take(f"{theirs}/bias").chunk(len(ours))
    for name, weight, bias in zip(ours, weights, biases, strict=True):
        state[f"{name}.weight"] = weight.clone()
        if name.endswith("k_proj"):
            if bias.any():
                raise DataError(f"{theirs} has a bias for its keys; Whisper's keys have none")
        else:
            state[f"{name}.bias"] = bias.clone()
