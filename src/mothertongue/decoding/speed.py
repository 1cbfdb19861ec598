"""Measure how fast this CPU decodes with layers of a base's shape, in bfloat16 and in float32.

N rows, T encoder frames (50 a second), P tokens so far, D width, V vocabulary.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperDecoderLayer, WhisperEncoderLayer

from mothertongue.decoding.decoder_layers import (
    DecoderLayer,
    KeysAndValues,
    mask_beyond,
    one_query_dtype,
)
from mothertongue.model.precision import Choice, Speeds, choose, in_turns
from mothertongue.system.arguments import Precision

ROWS, FRAMES, PAST, TOKENS = 8, 500, 32, 50
"""Clips of 10 s, decoded together to so many tokens."""


def decoding_precision(precision: Precision, config: WhisperConfig, device: torch.device) -> Choice:
    """Return the precision to decode in: the given one; for `auto`, the faster one."""
    if precision != "auto":
        return Choice(precision)
    return choose("decoding", config, device, partial(decoding_speeds, config))


@torch.inference_mode()
def decoding_speeds(config: WhisperConfig) -> Speeds:
    """Return the seconds that some clips take, from those of one layer of each half."""
    config = deepcopy(config)
    config._attn_implementation = "sdpa"
    with torch.random.fork_rng(devices=[]):
        encoder = in_turns(_each_type(partial(_encoder_layer, config)))
        decoder = in_turns(_each_type(partial(_decoder_layer, config)))
        vocabulary = in_turns(_each_type(partial(_vocabulary, config)))
    layers = ROWS * config.encoder_layers, TOKENS * config.decoder_layers
    return Speeds(
        *(
            layers[0] * e + layers[1] * d + TOKENS * v
            for e, d, v in (
                (encoder.fp32_s, decoder.fp32_s, vocabulary.fp32_s),
                (encoder.bf16_s, decoder.bf16_s, vocabulary.bf16_s),
            )
        )
    )


def _each_type(
    made: Callable[[torch.dtype], Callable[[], Tensor]],
) -> Callable[[torch.dtype], Tensor]:
    """Return a function that does the work of a type, made once for each."""
    works = {dtype: made(dtype) for dtype in (torch.float32, torch.bfloat16)}
    return lambda dtype: works[dtype]()


def _encoder_layer(config: WhisperConfig, dtype: torch.dtype) -> Callable[[], Tensor]:
    layer = nn.Module.to(WhisperEncoderLayer(config).eval(), dtype)
    hidden_BTD = torch.randn(1, FRAMES, config.d_model).to(dtype)
    return lambda: layer(hidden_BTD, None)


def _decoder_layer(config: WhisperConfig, dtype: torch.dtype) -> Callable[[], Tensor]:
    layer = DecoderLayer(nn.Module.to(WhisperDecoderLayer(config, 0).eval(), dtype))
    x_N1D = torch.randn(ROWS, 1, config.d_model).to(dtype)
    kept = one_query_dtype(dtype, torch.device("cpu"))
    audio_BHTE, text_NHPE = (
        torch.randn(2, ROWS, layer.heads, each, layer.head_width).to(kept)
        for each in (FRAMES, PAST)
    )
    lengths_N = torch.full((ROWS,), FRAMES), torch.full((ROWS,), PAST)
    audio_mask, text_mask = (mask_beyond(each, int(each[0]), kept) for each in lengths_N)

    def remember(keys: Tensor, values: Tensor) -> KeysAndValues:
        for kept_NHPE, new_NH1E in zip(text_NHPE, (keys, values), strict=True):
            kept_NHPE[:, :, -1:] = new_NH1E
        return text_NHPE[0], text_NHPE[1]

    heard = audio_BHTE[0], audio_BHTE[1]
    return lambda: layer(x_N1D, remember, text_mask, heard, audio_mask)


def _vocabulary(config: WhisperConfig, dtype: torch.dtype) -> Callable[[], Tensor]:
    weight_VD = torch.full((config.vocab_size, config.d_model), 0.01, dtype=dtype)
    x_ND = torch.randn(ROWS, config.d_model).to(dtype)
    return lambda: linear(x_ND, weight_VD).float()
