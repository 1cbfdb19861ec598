"""Test which precision is taken: a function of measured times, kept for this user."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_config

from mothertongue.decoding.speed import decoding_precision, decoding_speeds
from mothertongue.errors import DataError
from mothertongue.model import precision
from mothertongue.model.precision import Choice, Speeds, choose, faster, in_turns
from mothertongue.model.sizes import openai_config
from mothertongue.model.tokenizer import Tokens
from mothertongue.training.precision import training_speeds

CPU = torch.device("cpu")
BASE = openai_config("base")
assert BASE is not None


class Stopwatch:
    """Stands for the measurement: the times that it finds next, and how often it was asked."""

    def __init__(self, fp32_s: float, bf16_s: float) -> None:
        self.speeds, self.asked = Speeds(fp32_s, bf16_s), 0

    def __call__(self) -> Speeds:
        self.asked += 1
        return self.speeds


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Return what the processor can, to be changed; nothing was measured on it."""
    can: dict[str, Any] = {"cpu_name": "a CPU", "avx512_bf16": True}
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: can)
    return can


@pytest.mark.parametrize(
    ("fp32_s", "bf16_s", "expected"),
    [(1.0, 0.5, "bf16"), (0.5, 1.0, "fp32"), (1.0, 1.0, "fp32"), (1.0, 0.95, "fp32")],
)
def test_float32_unless_bfloat16_is_clearly_faster(
    fp32_s: float, bf16_s: float, expected: str
) -> None:
    choice = faster(Speeds(fp32_s, bf16_s))
    assert choice.precision == expected
    assert choice.facts() == {"fp32_s": fp32_s, "bf16_s": bf16_s}


def test_it_is_measured_once_for_each_work_and_processor(processor: dict[str, Any]) -> None:
    first, later = Stopwatch(2.0, 1.0), Stopwatch(1.0, 2.0)
    assert choose("training", BASE, CPU, first).precision == "bf16"
    assert choose("training", BASE, CPU, later) == Choice("bf16", first.speeds)
    assert (first.asked, later.asked) == (1, 0)
    assert choose("decoding", BASE, CPU, later).precision == "fp32"
    assert choose("training", openai_config("small"), CPU, later).precision == "fp32"
    processor["cpu_name"] = "another CPU"
    assert choose("training", BASE, CPU, later).precision == "fp32"
    assert later.asked == 3


def test_where_nothing_can_be_kept_it_is_measured_each_time(
    processor: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "mothertongue").write_text("not a folder")
    watch = Stopwatch(2.0, 1.0)
    for times in (1, 2):
        assert choose("training", BASE, CPU, watch).precision == "bf16"
        assert watch.asked == times


def test_what_is_kept_may_be_damaged(processor: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "mothertongue" / "precision.json"
    path.parent.mkdir()
    path.write_text('{"x": {"fp32_s": "fast"}}')
    with pytest.raises(DataError, match="remove it to measure again"):
        choose("training", BASE, CPU, Stopwatch(2.0, 1.0))


def test_nothing_is_measured_where_it_follows_from_the_device(
    processor: dict[str, Any], tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Stopwatch(2.0, 1.0)
    assert choose("training", tiny_config(tokens), CPU, watch) == Choice("fp32")
    assert decoding_precision("bf16", BASE, CPU) == Choice("bf16")
    monkeypatch.setattr(precision, "has_bf16", lambda device: device.type == "cuda")
    assert choose("training", BASE, torch.device("cuda"), watch) == Choice("bf16")
    processor["avx512_bf16"] = False
    assert choose("training", BASE, CPU, watch) == Choice("fp32")
    assert watch.asked == 0


def test_both_are_called_in_turn_after_a_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {torch.float32: [100.0, 3.0, 1.0, 2.0], torch.bfloat16: [100.0, 9.0, 7.0, 8.0]}
    now, calls = [0.0], list[torch.dtype]()
    monkeypatch.setattr(precision.time, "process_time", lambda: now[0])

    def work(dtype: torch.dtype) -> None:
        now[0] += seconds[dtype][len(calls) // 2]
        calls.append(dtype)

    assert in_turns(work) == Speeds(2.0, 8.0)
    assert calls == [torch.float32, torch.bfloat16] * 4


def test_a_measurement_leaves_the_random_numbers_alone(tokens: Tokens) -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    for speeds in (training_speeds(tiny_config(tokens)), decoding_speeds(tiny_config(tokens))):
        assert min(speeds.fp32_s, speeds.bf16_s) > 0
    assert torch.equal(torch.random.get_rng_state(), before)
