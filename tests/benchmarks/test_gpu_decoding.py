"""The benchmark of decoding on a GPU, on a CPU: both sides say as many tokens as was asked."""

import gpu_decoding
import pytest
import torch
from tiny import tiny_config

from mothertongue.decoding import beams
from mothertongue.model.tokenizer import Tokens


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_both_sides_in_turn(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_decoding, "TOKENS_PER_S", 2)
    guard = beams.is_loop
    model = gpu_decoding.made(tiny_config(tokens), torch.device("cpu"))
    row = gpu_decoding.measure(model, size=2, clip_s=3, beam_size=2, rounds=1)
    assert row["tokens"] == 6
    who = ("transformers", "ours at 30 s", "ours", gpu_decoding.GRAPHS)
    assert min(row[each] for each in who) > 0
    assert "clips of 3 s, batch 2, beam 2" in gpu_decoding.line(row)
    assert beams.is_loop is guard


def test_at_30_s_there_is_nothing_to_cut(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_decoding, "seconds_of", lambda decode, device: 0.5)
    monkeypatch.setattr(gpu_decoding, "ours", lambda *_: None)
    monkeypatch.setattr(gpu_decoding, "theirs", lambda *_: None)
    model = gpu_decoding.made(tiny_config(tokens), torch.device("cpu"))
    row = gpu_decoding.measure(model, size=4, clip_s=30, beam_size=1, rounds=2)
    assert "ours at 30 s" not in row
    assert row["ours"] == 4 * 30 / 0.5
