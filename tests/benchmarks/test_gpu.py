"""The GPU benchmark without a GPU: what it says, its goals, and both calls whole on a CPU."""

import json
import sys
from pathlib import Path

import gpu
import gpu_profile
import gpu_training
import pytest
import torch
import warm

from mothertongue.model.sizes import openai_config

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu.py", "a"])
    assert gpu.main() == 1
    assert capsys.readouterr().err == "no GPU here: benchmarks/gpu.py needs one that CUDA finds\n"


def test_strategies_at_the_depth_of_large_v2() -> None:
    config = openai_config("large-v2")
    assert config is not None
    assert list(gpu.strategies(config)) == [
        *("full", "freeze 20", "reinit 1", "lora", "bottleneck", "bottleneck top 9")
    ]


def test_lengths_are_those_of_fleurs() -> None:
    config = openai_config("tiny")
    assert config is not None
    setup = gpu_training.Setup(config, torch.device("cpu"), steps=6)
    seconds = [each.duration_s for each in gpu_training.drawn_clips("12 s", setup)]
    assert len(seconds) == 6 * setup.batch_size
    assert 10.5 < sum(seconds) / len(seconds) < 13.5
    assert {each.duration_s for each in gpu_training.drawn_clips("30 s", setup)} == {30.0}


@pytest.mark.slow
def test_both_calls_run_whole_on_a_cpu(tmp_path: Path) -> None:
    """So that no time of a GPU is spent on a mistake."""
    out = tmp_path / "gpu.json"
    for call in ("a", "b"):
        words = [ROOT / "benchmarks/gpu.py", call, "--device", "cpu", "--shape", "tiny-test"]
        done = warm.run(*words, "--steps", "1", "--budget", "1e9", "--out", out)
        assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(out.read_text())
    rows = {tuple(each["key"]): each for each in found["rows"]}
    who = ("transformers", "ours, graphs", "ours, stored states", "ours, lean", "ours, layers")
    assert {key[2] for key in rows if key[:2] == ("freeze 1", "12 s")} == set(who)
    more = "ours, graphs and cuDNN"
    assert {key[2] for key in rows if key[:2] == ("full", "30 s")} == {*who, more} - {who[2]}
    for name in ("transformers", "ours, graphs", "ours, lean"):
        profile = rows["full", "12 s", f"profile, {name}"]
        assert profile["kernels"] > 100
        assert 0 < profile["idle_share"] < 1
    assert {key[2] for key in rows if key[0] == "real run"} == {who[0], who[1]}
    theirs, ours, stored = (rows["freeze 1", "12 s", name]["tflop"] for name in who[:3])
    assert theirs > 1.5 * ours > 1.5 * stored > 0
    assert "a real run: times the peer" in done.stdout
    assert "decoding 1 s 2 clips, beam 1: times generate" in done.stdout
    assert "not measured" not in done.stdout


def test_the_profile_of_a_step() -> None:
    """Two kernels that overlap, a pause, and one more."""
    found = gpu_profile.occupation([(30.0, 40.0), (0.0, 10.0), (5.0, 20.0)])
    assert found["kernels"] == 3
    assert (found["busy_s"], found["between_s"]) == pytest.approx((30e-6, 10e-6))
    assert found["idle_share"] == pytest.approx(0.25)
    assert gpu_profile.occupation([])["idle_share"] == 1


def test_rows_beyond_the_time_are_left_out() -> None:
    budget = gpu.Budget(1000.0)
    assert not budget.is_over()
    assert budget.timed(lambda: {"seconds": 1.0}) == {"seconds": 1.0}
    budget.last_s = 900.0
    assert budget.is_over()


def test_the_goals_say_what_was_not_measured() -> None:
    keys = [("full", "12 s", gpu.PEER), ("full", "12 s", gpu.GRAPHS), ("full", "12 s", "batch 32")]
    rows = [
        {"key": list(key), "seconds": seconds, "tflop": 30.0}
        for key, seconds in zip(keys, (0.3, 0.1, 0.1), strict=True)
    ]
    decoding = {"key": ["decoding", "12 s", "16 clips, beam 1"], "transformers": 100.0}
    rows.append(decoding | {"ours, graphs": 700.0})
    told = "\n".join(gpu.goals({"rows": rows, "peak_tflops": 1000}))
    assert "full, 12 s, ours, graphs: times the peer           3.00      3.0" in told
    assert "MFU of full at batch 32                             30%      45%" in told
    assert "a real run: times the peer                            -      2.5" in told
    assert "decoding 12 s 16 clips, beam 1: times generate" in told
    assert "      7.00      6.0" in told
