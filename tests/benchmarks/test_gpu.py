"""The GPU benchmark without a GPU: what it says, and its parts on a CPU."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import gpu
import pytest
import torch
from tiny import tiny_config

from mothertongue.model.tokenizer import Tokens

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/gpu.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "no GPU here: benchmarks/gpu.py needs one that CUDA finds\n"


def test_strategies_at_the_depth_of_large_v2() -> None:
    from mothertongue.model.sizes import openai_config

    config = openai_config("large-v2")
    assert config is not None
    assert list(gpu.strategies(config)) == [
        *("full", "freeze 20", "reinit 1", "lora", "bottleneck", "bottleneck top 9")
    ]


def test_lengths_are_those_of_fleurs() -> None:
    seconds = [each.duration_s for each in gpu.drawn_clips("12 s", 6)]
    assert len(seconds) == 6 * gpu.BATCH_SIZE
    assert 10.5 < sum(seconds) / len(seconds) < 13.5
    assert {each.duration_s for each in gpu.drawn_clips("30 s", 2)} == {30.0}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_every_candidate_of_a_strategy(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "BATCH_SIZE", 2)
    monkeypatch.setattr(gpu, "WARM_UP", 1)
    options = Namespace(device="cpu", steps=1, compile=False, graphs="auto")
    settings = {"kind": "freeze", "encoder_layers": 1}
    rows = list(gpu.measure("freeze 1", settings, "12 s", tiny_config(tokens), options))
    assert [each["who"] for each in rows] == ["transformers", "ours", "ours, stored states"]
    assert len({each["trained"] for each in rows}) == 1
    theirs, ours, stored = (each["tflop"] for each in rows)
    assert theirs > 1.5 * ours > 1.5 * stored > 0
    assert all(each["seconds"] > 0 for each in rows)
    facts = {"peak_tflops": None, "ceiling_tflops": 1.0}
    assert "freeze 1" in gpu.line(rows[0], facts)
