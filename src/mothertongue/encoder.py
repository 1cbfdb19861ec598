"""Whisper's encoder at any audio context.

Transformers' own forward insists on 30 s. Whisper's positions are absolute, so a clip of 4 s needs
only the first 200 of 1,500 positions: the stem and the layers are run on just those.
B batch, M mels, F mel frames (100 a second), T encoder frames (50 a second), D width.
"""

from torch import Tensor, nn
from transformers.models.whisper.modeling_whisper import WhisperEncoder


def encode(encoder: WhisperEncoder, mel_BMF: Tensor) -> Tensor:
    """The encoder's output, hidden_BTD with T = F / 2, for any F up to 3,000 frames."""
    hidden_BTD = stem(encoder, mel_BMF)
    for layer in encoder.layers:
        hidden_BTD = layer(hidden_BTD, None)
    return encoder.layer_norm(hidden_BTD)


def stem(encoder: WhisperEncoder, mel_BMF: Tensor) -> Tensor:
    """The two convolutions and the positions: hidden_BTD, what the first layer reads."""
    hidden_BDF = nn.functional.gelu(encoder.conv1(mel_BMF))
    hidden_BTD = nn.functional.gelu(encoder.conv2(hidden_BDF)).transpose(1, 2)
    return hidden_BTD + encoder.embed_positions.weight[: hidden_BTD.shape[1]]
