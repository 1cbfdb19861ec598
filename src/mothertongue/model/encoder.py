"""Run Whisper's encoder at any audio context, whole or in two parts around a layer.

Transformers' own forward insists on 30 s. Whisper's positions are absolute, so a clip of 4 s needs
only the first 200 of 1,500 positions: the stem and the layers are run on just those.
B batch, M mels, F mel frames (100 a second), T encoder frames (50 a second), D width.
"""

import torch
from torch import Tensor, nn
from transformers.models.whisper.modeling_whisper import WhisperEncoder


def encode(encoder: WhisperEncoder, mel_BMF: Tensor) -> Tensor:
    """Return the encoder's output, hidden_BTD with T = F / 2, for any F up to 3,000 frames."""
    return continue_from(encoder, stem(encoder, mel_BMF), 0)


def stem(encoder: WhisperEncoder, mel_BMF: Tensor) -> Tensor:
    """Return hidden_BTD after the two convolutions and the positions, the first layer's input.

    In training with the encoder's dropout, which is 0 in OpenAI's own models.
    """
    hidden_BDF = nn.functional.gelu(encoder.conv1(mel_BMF))
    hidden_BTD = nn.functional.gelu(encoder.conv2(hidden_BDF)).transpose(1, 2)
    hidden_BTD = hidden_BTD + encoder.embed_positions.weight[: hidden_BTD.shape[1]]
    return nn.functional.dropout(hidden_BTD, encoder.dropout, encoder.training)


def continue_from(encoder: WhisperEncoder, hidden_BTD: Tensor, depth: int) -> Tensor:
    """Return the encoder's output, given the hidden_BTD after its stem and `depth` layers."""
    for layer in encoder.layers[depth:]:
        hidden_BTD = layer(hidden_BTD, None)
    return encoder.layer_norm(hidden_BTD)


def prefix(encoder: WhisperEncoder, mel_BMF: Tensor, depth: int, dtype: torch.dtype) -> Tensor:
    """Return hidden_BTD after the stem and `depth` layers, rounded to `dtype` after each."""
    hidden_BTD = stem(encoder, mel_BMF).to(dtype)
    for layer in encoder.layers[:depth]:
        hidden_BTD = layer(hidden_BTD.float(), None).to(dtype)
    return hidden_BTD
