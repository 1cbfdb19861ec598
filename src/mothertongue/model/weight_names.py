"""Rename Whisper's tensors between the layouts of transformers, OpenAI and CTranslate2.

All functions are pure: tensors by the names of one in, tensors by the names of the other out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

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
# CTranslate2's name -> transformers' names: it stacks q|k|v of self-, k|v of cross-attention.
CTRANSLATE2_BLOCK = {
    "self_attention/linear_0": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention/linear_1": ("self_attn.out_proj",),
    "self_attention/layer_norm": ("self_attn_layer_norm",),
    "attention/linear_0": ("encoder_attn.q_proj",),
    "attention/linear_1": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
    "attention/linear_2": ("encoder_attn.out_proj",),
    "attention/layer_norm": ("encoder_attn_layer_norm",),
    "ffn/linear_0": ("fc1",),
    "ffn/linear_1": ("fc2",),
    "ffn/layer_norm": ("final_layer_norm",),
}
CTRANSLATE2_TABLES = {
    "encoder/position_encodings/encodings": "model.encoder.embed_positions.weight",
    "decoder/position_encodings/encodings": "model.decoder.embed_positions.weight",
    "decoder/embeddings/weight": "model.decoder.embed_tokens.weight",
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

    The key's stored bias is zero, for Whisper's keys have none.
    """
    stored = dict(variables)

    def take(name: str) -> Tensor:
        if name not in stored:
            raise DataError(f"the CTranslate2 model lacks {name}; convert the model again")
        return torch.from_numpy(dequantized(stored, name).copy())

    state = {ours: take(theirs) for theirs, ours in CTRANSLATE2_TABLES.items()}
    layers = [count_layers(stored, f"{half}/layer_") for half in ("encoder", "decoder")]
    for theirs, ours in _ctranslate2_modules(*layers):
        if theirs.endswith("layer_norm"):
            state[f"{ours[0]}.weight"] = take(f"{theirs}/gamma")
            state[f"{ours[0]}.bias"] = take(f"{theirs}/beta")
            continue
        weights = take(f"{theirs}/weight").chunk(len(ours))
        biases = take(f"{theirs}/bias").chunk(len(ours))
        for name, weight, bias in zip(ours, weights, biases, strict=True):
            state[f"{name}.weight"] = weight.clone()
            if not name.endswith("k_proj"):
                state[f"{name}.bias"] = bias.clone()
            elif bias.any():
                raise DataError(f"{theirs} has a bias for its keys; Whisper's keys have none")
    return state


def to_ctranslate2(state: Mapping[str, Tensor]) -> dict[str, Array]:
    """Convert a transformers state dictionary to the variables that `from_ctranslate2` reads.

    The projection to the vocabulary is a variable of its own there.
    """
    found: dict[str, Array] = {}

    def put(name: str, *parts: Tensor) -> None:
        found[name] = torch.cat(parts).contiguous().numpy()

    for table, name in CTRANSLATE2_TABLES.items():
        put(table, state[name])
    layers = [count_layers(state, f"model.{half}.layers.") for half in ("encoder", "decoder")]
    for theirs, ours in _ctranslate2_modules(*layers):
        if theirs.endswith("layer_norm"):
            put(f"{theirs}/gamma", state[f"{ours[0]}.weight"])
            put(f"{theirs}/beta", state[f"{ours[0]}.bias"])
            continue
        weights = [state[f"{name}.weight"] for name in ours]
        put(f"{theirs}/weight", *weights)
        zeros = torch.zeros(len(weights[0]))  # Whisper's keys have no bias
        put(f"{theirs}/bias", *(state.get(f"{name}.bias", zeros) for name in ours))
    put("decoder/projection/weight", state["model.decoder.embed_tokens.weight"])
    return found


def count_layers(names: Iterable[str], stem: str) -> int:
    """Return how many layers have tensors, given what stands before a layer's number."""
    numbered = re.compile(re.escape(stem) + r"(\d+)")
    return len({found[1] for name in names if (found := numbered.match(name))})


def _ctranslate2_modules(
    encoder_layers: int, decoder_layers: int
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each norm and matrix of CTranslate2's, with what it has of transformers'."""
    for conv in ("conv1", "conv2"):
        yield f"encoder/{conv}", (f"model.encoder.{conv}",)
    for half, layers in (("encoder", encoder_layers), ("decoder", decoder_layers)):
        yield f"{half}/layer_norm", (f"model.{half}.layer_norm",)
        for i in range(layers):
            for theirs, ours in CTRANSLATE2_BLOCK.items():
                if half == "decoder" or not theirs.startswith("attention/"):
                    names = tuple(f"model.{half}.layers.{i}.{name}" for name in ours)
                    yield f"{half}/layer_{i}/{theirs}", names


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
