"""The benchmark of slots: both sides decode the same clips to the same tokens."""

import gpu_decoding
import pytest
import slots
import torch
from tiny import tiny_config

from mothertongue.model.tokenizer import Tokens


def test_lengths_and_texts_are_those_of_read_speech() -> None:
    clips = slots.drawn(200, 4, torch.float32)
    seconds = [len(each.hidden_TD) / 50 for each in clips]
    assert seconds == sorted(seconds, reverse=True)
    assert 11 < sum(seconds) / 200 < 13
    assert 50 < sum(each.limit for each in clips) / 200 < 70


@pytest.mark.parametrize("beam_size", [1, 2])
def test_both_sides_say_all_tokens(tokens: Tokens, beam_size: int) -> None:
    model = gpu_decoding.made(tiny_config(tokens), torch.device("cpu"), torch.float32)
    search = gpu_decoding.searching(model, 2, beam_size, has_graphs=False)
    clips = [gpu_decoding.waiting(i, torch.randn(20, 64), 2 + i) for i in range(5)]
    found = slots.measure(search, clips, rounds=1)
    assert found["times"] == pytest.approx(found["batches_s"] / found["slots_s"])
