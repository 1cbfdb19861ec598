"""A tiny Whisper with random weights: real tokens, real shapes, milliseconds a clip."""

import copy
from pathlib import Path

import numpy as np
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from mothertongue.model.load import generation_config
from mothertongue.model.tokenizer import Tokens
from mothertongue.system.files import write_json

WIDTH = 64
RATE_HZ = 16_000


def tiny_config(tokens: Tokens, mel_bins: int = 80, **changes: int) -> WhisperConfig:
    """2 + 2 layers of width 64, and the vocabulary of the tokenizer."""
    shape = {
        "num_mel_bins": mel_bins,
        "d_model": WIDTH,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 4 * WIDTH,
        "decoder_ffn_dim": 4 * WIDTH,
    }
    return WhisperConfig(
        vocab_size=tokens.vocabulary_size,
        pad_token_id=tokens.end,
        bos_token_id=tokens.end,
        eos_token_id=tokens.end,
        decoder_start_token_id=tokens.start,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **(shape | changes),
    )


def tiny_model(
    tokens: Tokens, mel_bins: int = 80, seed: int = 0, longest: int | None = 24, **changes: int
) -> WhisperForConditionalGeneration:
    """Every weight drawn with deviation 0.2, LayerNorms around 1, so that all of them count.

    It ends what it writes after at most `longest` tokens, where the decoder's positions point to
    the end token and little else. None: it writes until somebody stops it, as random weights do.
    """
    model = WhisperForConditionalGeneration(tiny_config(tokens, mel_bins, **changes)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            middle = 1.0 if "layer_norm.weight" in name else 0.0
            weight.copy_(middle + 0.2 * torch.randn(weight.shape, generator=generator))
        if longest is not None:
            decoder = model.model.decoder
            decoder.embed_positions.weight[longest:] += (
                100 * decoder.embed_tokens.weight[tokens.end]
            )
    model.generation_config = generation_config(tokens, [[1, 0], [1, 1]])
    return model


def save_transformers(model: WhisperForConditionalGeneration, tokens: Tokens, folder: Path) -> Path:
    """The folder that fine-tuning tools leave, with all that a converter asks for."""
    model.save_pretrained(folder)
    write_json(folder / "tokenizer.json", tokens.definition)
    special = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    unknown = {"unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    kind = {"tokenizer_class": "WhisperTokenizer"}
    write_json(folder / "tokenizer_config.json", kind | special | unknown)
    WhisperFeatureExtractor(model.config.num_mel_bins).save_pretrained(folder)
    return folder


def with_language(tokens: Tokens, code: str) -> Tokens:
    """The tokenizer of large-v3: one more language, and every later control token one up."""
    definition = copy.deepcopy(tokens.definition)
    last = max(tokens.languages.values())
    added = definition["added_tokens"]
    new = next(token for token in added if token["id"] == last) | {"content": f"<|{code}|>"}
    for token in added:
        token["id"] += token["id"] > last
    added.append(new | {"id": last + 1})
    added.sort(key=lambda token: token["id"])
    return Tokens(definition, f"{tokens.origin} with {code}")


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Tones and noise that change with time and seed, float32 (N,) at 16 kHz."""
    rng = np.random.default_rng(seed)
    times_N = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    hertz = rng.uniform(100, 3000, size=4)
    tones_N = sum(np.sin(2 * np.pi * f * times_N * (1 + 0.1 * times_N)) for f in hertz)
    return (0.05 * tones_N + 0.05 * rng.standard_normal(len(times_N))).astype(np.float32)
