"""Count the floating-point operations of Whisper from its shape; a multiply-add is two.

T encoder frames (50 a second), L label tokens, D width, F feed-forward width, M mels, V vocabulary.
Norms, activations and softmax are left out: below 2 % of the whole at Whisper's widths.
"""

from dataclasses import dataclass

from torch import nn
from transformers import WhisperConfig
from transformers import WhisperForConditionalGeneration as Whisper

from mothertongue.model.adapters import AdaptedLayer


@dataclass(frozen=True, slots=True)
class Block:
    """The forward pass of one part: products with weights, and attention's without weights."""

    linear: float
    attention: float = 0.0


def stem(config: WhisperConfig, frames: int) -> tuple[Block, Block]:
    """The two convolutions of width 3; the first runs at twice the frames."""
    width = config.d_model
    first = Block(2 * 2 * frames * 3 * config.num_mel_bins * width)
    return first, Block(2 * frames * 3 * width * width)


def encoder_layer(config: WhisperConfig, frames: int) -> Block:
    """Self-attention over T frames and the feed-forward."""
    width, inner = config.d_model, config.encoder_ffn_dim
    return Block(2 * frames * (4 * width**2 + 2 * width * inner), 4 * frames**2 * width)


def decoder_layer(config: WhisperConfig, frames: int, tokens: int) -> Block:
    """Self-attention over L tokens, cross-attention to T frames, and the feed-forward."""
    width, inner = config.d_model, config.decoder_ffn_dim
    at_tokens = 2 * tokens * (6 * width**2 + 2 * width * inner)
    at_frames = 2 * frames * 2 * width**2  # the keys and values of cross-attention
    return Block(at_tokens + at_frames, 4 * tokens * width * (tokens + frames))


def vocabulary(config: WhisperConfig, tokens: int) -> Block:
    """The projection of L states to V scores."""
    return Block(2 * tokens * config.d_model * config.vocab_size)


def training_flops(model: Whisper, frames: int, tokens: int, recomputes: bool = False) -> float:
    """Count the operations of one clip, forward and backward, after `apply` of a strategy.

    Backward is the gradient of the activations above the lowest weight that trains, as much again
    as the products with weights and twice those of attention; and the gradient of the weights.
    `recomputes`: layers with a backward pass run forward twice (gradient checkpointing). The model
    may be on the meta device.
    """
    config, encoder, decoder = model.config, model.model.encoder, model.model.decoder
    layer, step = encoder_layer(config, frames), decoder_layer(config, frames, tokens)
    first, second = stem(config, frames)
    trains = _share(encoder.conv1)
    # Nobody asks for the gradient of the spectrogram, the first convolution's input.
    total = _flops(first, trains, False, False) + _flops(second, trains, trains > 0, False)
    is_above = trains > 0
    for block, each in [
        *((layer, e) for e in encoder.layers),
        *((step, d) for d in decoder.layers),
    ]:
        share = _share(each)
        # An adapter stands behind its layer, which then has no need of a gradient.
        needed = is_above or (share > 0 and not isinstance(each, AdaptedLayer))
        total += _flops(block, share, needed, recomputes and needed)
        is_above = is_above or share > 0
    return total + _flops(vocabulary(config, tokens), _share(decoder.embed_tokens), True, False)


def _flops(block: Block, share: float, has_backward: bool, recomputes: bool) -> float:
    forward = block.linear + block.attention
    backward = block.linear + 2 * block.attention
    return forward * (1 + recomputes) + backward * has_backward + share * block.linear


def _share(part: nn.Module) -> float:
    """Return the share of a part's parameters that trains, from 0 to 1."""
    sizes = [(each.numel(), each.requires_grad) for each in part.parameters()]
    return sum(size for size, trains in sizes if trains) / sum(size for size, _ in sizes)
