import copy

import pytest
import torch
from tiny import noise
from torch import Tensor, nn
from transformers import WhisperForConditionalGeneration
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from mothertongue.model.encoder import continue_from, encode, prefix, stem
from mothertongue.model.features import log_mel, pad_samples


@pytest.fixture
def encoder(model: WhisperForConditionalGeneration) -> WhisperEncoder:
    return model.model.encoder


def mel_of(context_s: int, clips: int = 2) -> Tensor:
    return log_mel(pad_samples([noise(context_s, seed) for seed in range(clips)], context_s), 80)


def cut_to(encoder: WhisperEncoder, frames: int) -> WhisperEncoder:
    """Transformers' own encoder, made for a shorter context."""
    config = copy.deepcopy(encoder.config)
    config.max_source_positions = frames
    short = WhisperEncoder(config).eval().requires_grad_(False)
    state = encoder.state_dict()
    state["embed_positions.weight"] = state["embed_positions.weight"][:frames]
    short.load_state_dict(state)
    return short


def test_full_context_is_that_of_transformers(encoder: WhisperEncoder) -> None:
    mel_BMF = mel_of(30)
    theirs_BTD = encoder(mel_BMF).last_hidden_state
    assert theirs_BTD.shape == (2, 1500, 64)
    torch.testing.assert_close(encode(encoder, mel_BMF), theirs_BTD, atol=1e-5, rtol=0)


def test_dropout_in_training_is_that_of_transformers(encoder: WhisperEncoder) -> None:
    """On the stem's output too: the same random numbers give the same values."""
    config = copy.deepcopy(encoder.config)
    config.dropout = 0.3
    random = WhisperEncoder(config).requires_grad_(False).train()
    random.load_state_dict(encoder.state_dict())
    mel_BMF = mel_of(30, clips=1)
    torch.manual_seed(0)
    theirs_BTD = random(mel_BMF).last_hidden_state
    torch.manual_seed(0)
    torch.testing.assert_close(encode(random, mel_BMF), theirs_BTD, atol=1e-5, rtol=0)


@pytest.mark.parametrize("context_s", [1, 7])
def test_cut_context_is_an_encoder_made_for_it(encoder: WhisperEncoder, context_s: int) -> None:
    mel_BMF = mel_of(context_s)
    theirs_BTD = cut_to(encoder, 50 * context_s)(mel_BMF).last_hidden_state
    assert theirs_BTD.shape == (2, 50 * context_s, 64)
    torch.testing.assert_close(encode(encoder, mel_BMF), theirs_BTD, atol=1e-5, rtol=0)


def test_clips_do_not_depend_on_their_neighbours(encoder: WhisperEncoder) -> None:
    mel_BMF = mel_of(3, clips=3)
    together_BTD = encode(encoder, mel_BMF)
    for i in range(3):
        alone_BTD = encode(encoder, mel_BMF[i : i + 1])
        torch.testing.assert_close(alone_BTD[0], together_BTD[i], atol=1e-5, rtol=0)


def test_stem_is_what_the_first_layer_reads(encoder: WhisperEncoder) -> None:
    seen: list[Tensor] = []
    layer: nn.Module = encoder.layers[0]
    handle = layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    mel_BMF = mel_of(2)
    encode(encoder, mel_BMF)
    handle.remove()
    assert torch.equal(stem(encoder, mel_BMF), seen[0])


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_prefix_and_the_rest_are_the_whole(encoder: WhisperEncoder, depth: int) -> None:
    mel_BMF = mel_of(3)
    hidden_BTD = prefix(encoder, mel_BMF, depth, torch.float32)
    assert torch.equal(continue_from(encoder, hidden_BTD, depth), encode(encoder, mel_BMF))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_prefix_has_the_type_that_is_stored(encoder: WhisperEncoder, dtype: torch.dtype) -> None:
    assert prefix(encoder, mel_of(3), 2, dtype).dtype == dtype
