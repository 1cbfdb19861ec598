"""States against those that transformers itself computes; and that padding is in none of them."""

import copy
import math

import numpy as np
import pytest
import torch
from runs import byte_tokens
from tiny import noise, tiny_model
from transformers import WhisperForConditionalGeneration

from mothertongue.analysis.activations import read_states, state_names, valid_frames
from mothertongue.model import adapters
from mothertongue.model.context import Context
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.strategies.base import Whisper

TOKENS = byte_tokens()
LABEL = TOKENS.label("habari yako", "sw")


@pytest.fixture
def whisper() -> Whisper:
    return tiny_model(TOKENS, d_model=32).requires_grad_(False)


def theirs(model: WhisperForConditionalGeneration, clip: np.ndarray) -> tuple:
    """Transformers' encoder and decoder states on a clip in 30 s, embedding first."""
    with torch.no_grad():
        return model(
            input_features=log_mel(pad_samples([clip], 30), 80),
            decoder_input_ids=torch.tensor([LABEL[:-1]]),
            output_hidden_states=True,
        )


def test_states_of_the_encoder_are_those_of_transformers(whisper: Whisper) -> None:
    clip = noise(1.23)
    states_STD = read_states(whisper, clip, "full", None)["encoder"]
    assert states_STD.shape == (3, 62, 32)
    hidden = theirs(whisper, clip).encoder_hidden_states
    for i in (0, 1):  # their last one comes after the last LayerNorm
        assert np.allclose(states_STD[i], hidden[i][0, :62].numpy(), atol=1e-5)
    normed_TD = whisper.model.encoder.layer_norm(torch.from_numpy(states_STD[2]))
    assert np.allclose(normed_TD.numpy(), hidden[2][0, :62].numpy(), atol=1e-5)


def test_states_of_the_decoder_are_those_of_transformers(whisper: Whisper) -> None:
    clip = noise(1.23)
    states_SLD = read_states(whisper, clip, "full", LABEL)["decoder"]
    first = len(TOKENS.prefix("sw")) - 1  # where "habari yako" begins to be predicted
    assert states_SLD.shape == (3, len("habari yako") + 1, 32)
    hidden = theirs(whisper, clip).decoder_hidden_states
    for i in (0, 1):
        assert np.allclose(states_SLD[i], hidden[i][0, first:].numpy(), atol=1e-5)


@pytest.mark.parametrize(("seconds", "frames"), [(1.0, 50), (1.23, 62), (0.101, 6), (30.0, 1500)])
def test_valid_frames_are_those_that_hold_speech(seconds: float, frames: int) -> None:
    assert valid_frames(round(16_000 * seconds)) == frames == math.ceil(50 * seconds)


@pytest.mark.parametrize("context", ["full", "bucket"])
def test_no_frame_of_padding_is_there(whisper: Whisper, context: Context) -> None:
    for seconds in (0.5, 1.0, 2.3):
        states = read_states(whisper, noise(seconds), context, None)
        assert states["encoder"].shape == (3, math.ceil(50 * seconds), 32)


def test_where_layers_look_at_no_other_frame_the_padding_changes_nothing(whisper: Whisper) -> None:
    for layer in whisper.model.encoder.layers:
        layer.self_attn.out_proj.weight.zero_()
    clip = noise(1.4)  # in a context of 2 s or of 30 s, with silence after it
    cut, full = (read_states(whisper, clip, each, None)["encoder"] for each in ("bucket", "full"))
    assert np.allclose(cut, full, atol=1e-5)
    other = read_states(whisper, noise(1.4, seed=1), "full", None)["encoder"]
    assert not np.allclose(full, other, atol=0.1)


def test_a_clip_longer_than_whisper_is_refused(whisper: Whisper) -> None:
    with pytest.raises(ValueError, match="at most 30"):
        read_states(whisper, noise(30.1), "full", None)


def test_an_adapter_counts_as_a_part_of_its_layer(whisper: Whisper) -> None:
    plain = read_states(whisper, noise(1.1), "bucket", LABEL)
    adapters.add(whisper, "mine", 4, encoder_layers=[1], decoder_layers=[0])
    for value in adapters.parameters(whisper, "mine").values():
        value.data.fill_(0.3)
    adapted = read_states(whisper, noise(1.1), "bucket", LABEL)
    changed = {
        half: [not np.array_equal(x, y) for x, y in zip(plain[half], adapted[half], strict=True)]
        for half in plain
    }
    assert changed == {"encoder": [False, False, True], "decoder": [False, True, True]}


def test_reading_leaves_no_hooks_and_changes_no_weights(whisper: Whisper) -> None:
    before = copy.deepcopy(whisper.state_dict())
    first = read_states(whisper, noise(1.1), "bucket", LABEL)
    again = read_states(whisper, noise(1.1), "bucket", LABEL)
    assert all(np.array_equal(first[half], again[half]) for half in first)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in whisper.modules())
    assert all(torch.equal(before[name], value) for name, value in whisper.state_dict().items())


def test_every_state_has_a_name(whisper: Whisper) -> None:
    names = state_names(whisper)
    assert names["encoder"] == ["stem", "layer 1", "layer 2"]
    assert names["decoder"] == ["decoder embedding", "decoder layer 1", "decoder layer 2"]
