"""Run Whisper's decoder over whole labels, as training does: every position at once, no cache.

Transformers' own forward builds its causal mask by looking at values, for which the host waits for
a GPU to finish the encoder. The layers need no mask: their attention is causal by itself.
B batch, L label tokens, T encoder frames (50 a second), D width.
"""

import torch
from torch import Tensor, nn
from transformers.models.whisper.modeling_whisper import WhisperDecoder


def read_labels(decoder: WhisperDecoder, embedded_BLD: Tensor, hidden_BTD: Tensor) -> Tensor:
    """Return states_BLD, the decoder's output after its last norm; position i sees 0 to i only.

    `embedded_BLD` are the tokens' embeddings without positions, `hidden_BTD` the encoder's output.
    """
    length = embedded_BLD.shape[1]
    states_BLD = embedded_BLD + decoder.embed_positions.weight[:length]
    states_BLD = nn.functional.dropout(states_BLD, decoder.dropout, decoder.training)
    mask = _mask(decoder, length, states_BLD)
    for layer in decoder.layers:
        states_BLD = layer(states_BLD, mask, hidden_BTD, use_cache=False)
    return decoder.layer_norm(states_BLD)


def _mask(decoder: WhisperDecoder, length: int, like: Tensor) -> Tensor | None:
    """Return None for an attention that is causal by itself, else the mask that is added."""
    if decoder.config._attn_implementation != "eager":
        return None
    return like.new_full((length, length), torch.finfo(like.dtype).min).triu(1)
