"""Align a transcript's tokens with the audio by the decoder's attention, in torch.

B clips, H heads, L tokens, T encoder frames, D width, V vocabulary.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import WhisperForConditionalGeneration

from mothertongue.decoding.decoder_layers import read
from mothertongue.decoding.word_timestamps import MEDIAN_FRAMES, Alignment, starts_of, warp
from mothertongue.errors import DataError
from mothertongue.model.context import FRAMES_PER_S
from mothertongue.model.tokenizer import PREFIX_TOKENS, Tokens


def align(
    model: WhisperForConditionalGeneration,
    tokens: Tokens,
    hidden_TD: Sequence[Tensor],
    prefixes: Sequence[Sequence[int]],
    texts: Sequence[Sequence[int]],
    seconds_B: Sequence[float],
) -> list[Alignment]:
    """Return the alignment of each clip's text tokens with its audio, in one decoder pass.

    `hidden_TD`: the encoder's output of each clip, of any length. Source: openai/whisper,
    timing.py, find_alignment.
    """
    said = [
        [*prefix[-PREFIX_TOKENS:], *text, tokens.end]  # without a prompt
        for prefix, text in zip(prefixes, texts, strict=True)
    ]
    longest = max(map(len, said))
    # What is behind a clip's own end cannot be seen from before it.
    tokens_BL = torch.tensor(
        [each + [tokens.end] * (longest - len(each)) for each in said], device=model.device
    )
    hidden_BLD, scores = read(model, hidden_TD, tokens_BL, alignment_heads(model))
    scores_BHLT = torch.cat(scores, 1)
    found = []
    for row, (text, seconds) in enumerate(zip(texts, seconds_B, strict=True)):
        frames = min(len(hidden_TD[row]), max(1, math.ceil(FRAMES_PER_S * seconds)))
        length = len(said[row])
        starts_s = _starts(scores_BHLT[row, :, :length, :frames].float())
        hidden_LD = hidden_BLD[row, :length]
        found.append(
            Alignment(
                starts_s if text else (0.0,),
                _probabilities(model, tokens, hidden_LD, text),
                _no_speech(model, tokens, hidden_LD),
            )
        )
    return found


def alignment_heads(model: WhisperForConditionalGeneration) -> list[tuple[int, int]]:
    """Return the (layer, head) pairs that follow the audio, in the order of the layers.

    Where they are not known: all heads of the upper half, as in openai/whisper, model.py.
    Raises DataError for heads that the model does not have.
    """
    known = getattr(model.generation_config, "alignment_heads", None)
    layers, heads = model.config.decoder_layers, model.config.decoder_attention_heads
    if known:
        if odd := [(x, y) for x, y in known if not (0 <= x < layers and 0 <= y < heads)]:
            raise DataError(
                f"generation_config.json: alignment_heads {odd}, but the decoder has {layers} "
                f"layers of {heads} heads; put those of this model there, or remove them"
            )
        return sorted((layer, head) for layer, head in known)
    return [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]


def _starts(scores_HLT: Tensor) -> tuple[float, ...]:
    """Return the start of each text token and of the end token, in seconds."""
    weights_HLT = scores_HLT.softmax(-1)
    deviation, mean = torch.std_mean(weights_HLT, dim=1, keepdim=True, unbiased=False)
    # A frame to which all tokens listen alike, such as the only one, says nothing: 0, not 0 / 0.
    deviation.clamp_min_(torch.finfo(deviation.dtype).tiny)
    map_LT = _median((weights_HLT - mean) / deviation).mean(0)
    # The row of a token tells where the next one is.
    return starts_of(*warp(-map_LT[PREFIX_TOKENS - 1 : -1].cpu().numpy()))


def _median(x_HLT: Tensor) -> Tensor:
    """Return x_HLT after a median filter of MEDIAN_FRAMES frames, mirrored at the ends."""
    margin = MEDIAN_FRAMES // 2
    if x_HLT.shape[-1] <= margin:
        return x_HLT
    padded_HLT = torch.nn.functional.pad(x_HLT, (margin, margin), mode="reflect")
    return padded_HLT.unfold(-1, MEDIAN_FRAMES, 1).sort(-1).values[..., margin]


def _probabilities(
    model: WhisperForConditionalGeneration, tokens: Tokens, hidden_LD: Tensor, text: Sequence[int]
) -> tuple[float, ...]:
    """Return the probability of each text token among all text tokens."""
    if not text:
        return ()
    first = PREFIX_TOKENS - 1
    logits_LV = model.proj_out(hidden_LD[first : first + len(text)])[:, : tokens.end]
    chosen_L1 = torch.tensor(text, device=logits_LV.device)[:, None]
    found: list[float] = logits_LV.float().softmax(-1).gather(1, chosen_L1)[:, 0].tolist()
    return tuple(found)


def _no_speech(
    model: WhisperForConditionalGeneration, tokens: Tokens, hidden_LD: Tensor
) -> float | None:
    """Return the probability of the no-speech token right after the start; None without one.

    Older tokenizers call it nocaptions.
    """
    names = ("<|nospeech|>", "<|nocaptions|>")
    token = next((tokens.special[name] for name in names if name in tokens.special), None)
    if token is None:
        return None
    return float(model.proj_out(hidden_LD[0]).float().softmax(-1)[token])
