"""Read the states of a Whisper on one clip: the output of each layer, without padding.

S states, T encoder frames (50 a second), L label tokens, D width; 1 is a batch of one clip.
One clip at a time: no result depends on neighbours, and memory is that of one clip.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mothertongue.analysis.records import Half
from mothertongue.analysis.similarity import Floats
from mothertongue.data.audio.load import FRAME_SAMPLES, SAMPLE_RATE_HZ
from mothertongue.data.clips import Samples
from mothertongue.model.context import Context, context_s
from mothertongue.model.encoder import stem
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.model.tokenizer import PREFIX_TOKENS
from mothertongue.strategies.base import Whisper


def state_names(model: Whisper) -> dict[Half, list[str]]:
    """Return the names of the states of each half, from the bottom."""
    encoder, decoder = range(model.config.encoder_layers), range(model.config.decoder_layers)
    return {
        "encoder": ["stem", *(f"layer {i + 1}" for i in encoder)],
        "decoder": ["decoder embedding", *(f"decoder layer {i + 1}" for i in decoder)],
    }


def read_states(
    model: Whisper, clip: Samples, context: Context, label: Sequence[int] | None
) -> dict[Half, Floats]:
    """Return the encoder's states_STD on a clip and, given its label, the decoder's states_SLD.

    The decoder's are at the positions that predict text or the end: at those before, only control
    tokens were read, the same in every clip. Raises ValueError for a clip of more than 30 s.
    """
    states_STD, hidden_1TD = encoder_states(model, clip, context)
    if label is None:
        return {"encoder": states_STD}
    states_SLD = decoder_states(model, hidden_1TD, label[:-1])[:, PREFIX_TOKENS - 1 :]
    return {"encoder": states_STD, "decoder": states_SLD}


def valid_frames(num_samples: int) -> int:
    """Return the number of encoder frames (50 a second) of a clip, rounded up."""
    return math.ceil(num_samples / FRAME_SAMPLES)


@torch.inference_mode()
def encoder_states(model: Whisper, clip: Samples, context: Context) -> tuple[Floats, Tensor]:
    """Return states_STD of the clip's own frames, and hidden_1TD for the decoder (with padding).

    The stem's output, then each layer's, before the encoder's last LayerNorm. Raises ValueError for
    a clip of more than 30 s.
    """
    encoder = model.model.encoder
    samples_1S = pad_samples([clip], context_s(len(clip) / SAMPLE_RATE_HZ, context))
    hidden_1TD = stem(encoder, log_mel(samples_1S.to(model.device), model.config.num_mel_bins))
    states = [hidden_1TD]
    for layer in encoder.layers:
        hidden_1TD = layer(hidden_1TD, None)
        states.append(hidden_1TD)
    frames = valid_frames(len(clip))
    return _stacked([each[0, :frames] for each in states]), encoder.layer_norm(hidden_1TD)


@torch.inference_mode()
def decoder_states(model: Whisper, hidden_1TD: Tensor, inputs: Sequence[int]) -> Floats:
    """Return states_SLD at every position while the decoder reads `inputs`.

    The embedding, then each layer's output, before the decoder's last LayerNorm. Read by hooks: an
    adapter that wraps a layer is then a part of it.
    """
    decoder = model.model.decoder
    states: list[Tensor] = []
    handles = [
        decoder.layers[0].register_forward_pre_hook(lambda layer, given: states.append(given[0])),
        *(
            layer.register_forward_hook(lambda layer, given, output: states.append(output))
            for layer in decoder.layers
        ),
    ]
    try:
        inputs_1L = torch.tensor([inputs], device=hidden_1TD.device)
        decoder(input_ids=inputs_1L, encoder_hidden_states=hidden_1TD, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return _stacked([each[0] for each in states])


def _stacked(states: list[Tensor]) -> Floats:
    return torch.stack(states).float().cpu().numpy()
