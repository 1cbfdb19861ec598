"""A tiny Whisper that talks: it says many different tokens, and ends; and clips for it to hear."""

import numpy as np
from tiny import noise, tiny_model
from transformers import WhisperForConditionalGeneration

from mothertongue.model.tokenizer import Tokens


def talkative(tokens: Tokens) -> WhisperForConditionalGeneration:
    """Large positions and a loud encoder: what is said depends on the place and on the audio."""
    model = tiny_model(tokens, longest=None).requires_grad_(False)
    decoder = model.model.decoder
    decoder.embed_positions.weight *= 20
    decoder.embed_tokens.weight *= 2.5
    for name, weight in decoder.named_parameters():
        if name.endswith("bias"):
            weight *= 0.1
    for layer in decoder.layers:
        layer.encoder_attn.out_proj.weight *= 8
        layer.encoder_attn.q_proj.weight *= 3
    # It ends where it would say a token that it often says.
    decoder.embed_tokens.weight[tokens.end] = 1.01 * decoder.embed_tokens.weight[8541]
    return model


def eight_clips() -> list[np.ndarray]:
    """Eight clips of 0.6-3 s, not in the order of their length."""
    seconds = (1.0, 1.4, 2.0, 0.6, 3.0, 2.2, 1.9, 1.6)
    return [noise(duration_s, seed) for seed, duration_s in enumerate(seconds)]
