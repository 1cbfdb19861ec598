"""Test the choice of the base by memory and time, from shapes: no weights, no network."""

import json
from pathlib import Path
from typing import Any

import pytest

from mothertongue.data.manifest import Utterance
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.sizes import openai_config
from mothertongue.strategies.base import Strategy, Whisper
from mothertongue.strategies.full import Full
from mothertongue.strategies.lora import Lora
from mothertongue.training import base_choice
from mothertongue.training.base_choice import SIZES, choose_base
from mothertongue.training.plan_estimate import run_s
from mothertongue.training.plan_shape import applied, by_shape, peak_bytes, sizes_of

CLIPS = [Utterance(f"{i}", "a.wav", "habari ya asubuhi", "sw", 7.0) for i in range(100)]
TRAIN = TrainConfig(epochs=10, full_context_share=0.0)
DAY_S = 86_400.0
FAST = 1e15


def model_of(size: str, strategy: Strategy) -> tuple[Whisper, int]:
    config = openai_config(size)
    assert config is not None
    return applied(strategy, config)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets the free memory, the speed, and the sizes on the disk."""

    def set_up(free_gb: float, speed: float = FAST, sizes: tuple[str, ...] = SIZES) -> None:
        monkeypatch.setattr(base_choice, "free_memory_bytes", lambda _: int(free_gb * 1e9))
        monkeypatch.setattr(base_choice, "flops_per_s", lambda *_: speed)
        had = {f"openai/whisper-{size}" for size in sizes}
        monkeypatch.setattr(base_choice, "is_on_disk", had.__contains__)

    return set_up


@pytest.mark.parametrize(
    ("free_gb", "size"),
    [
        (80, "large-v3"),
        (30, "large-v3-turbo"),
        (27, "medium"),
        (12, "small"),
        (5, "base"),
        (1, "tiny"),
    ],
)
def test_memory_decides(machine: Any, free_gb: float, size: str) -> None:
    machine(free_gb)
    found = choose_base(CLIPS, TRAIN, DAY_S)
    assert found.base == f"openai/whisper-{size}"
    better = SIZES[: SIZES.index(size)] if free_gb > 1 else SIZES  # at 1 GB not even tiny fits
    assert list(found.too_large) == list(better)
    assert all("are free" in why for why in found.too_large.values())


def test_time_decides(machine: Any) -> None:
    """In the time of exactly ten epochs of base, base is chosen; in a little less, tiny."""
    machine(80, speed=1e10)
    model, trained = model_of("base", Full())
    limit_s = run_s(by_shape(model, trained, sizes_of(CLIPS), TRAIN, 1e10), TRAIN)
    assert choose_base(CLIPS, TRAIN, limit_s).base == "openai/whisper-base"
    found = choose_base(CLIPS, TRAIN, 0.99 * limit_s)
    assert found.base == "openai/whisper-tiny"
    assert "would take some" in found.too_large["base"]
    assert choose_base(CLIPS, TRAIN, 1.0).base == "openai/whisper-tiny"


def test_what_is_here_goes_before_what_the_hub_has(machine: Any) -> None:
    machine(27, sizes=("base", "tiny"))
    found = choose_base(CLIPS, TRAIN, DAY_S)
    assert found.base == "openai/whisper-base"
    assert found.absent == ("openai/whisper-medium", "openai/whisper-small")
    machine(27, sizes=())  # then the best that fits; training downloads it from the Hub
    found = choose_base(CLIPS, TRAIN, DAY_S)
    assert (found.base, found.absent) == ("openai/whisper-medium", ())
    machine(1, sizes=("small", "base"))  # nothing fits
    assert choose_base(CLIPS, TRAIN, DAY_S).base == "openai/whisper-base"
    machine(1, sizes=())
    assert choose_base(CLIPS, TRAIN, DAY_S).base == "openai/whisper-tiny"


@pytest.mark.parametrize("strategy", [Full(), Lora(preset="paper", rank=32, alpha=64)])
def test_memory_by_shape_is_no_less_than_what_a_gpu_took_for_large(strategy: Any) -> None:
    path = Path(__file__).parents[2] / "docs/gpu.json"
    rows = json.loads(path.read_text())["rows"]
    (taken,) = [
        row["peak_memory_bytes"]
        for row in rows
        if (row["strategy"], row["lengths"], row["who"]) == (strategy.kind, "30 s", "ours")
    ]
    assert taken < peak_bytes(*model_of("large-v2", strategy)) < 1.6 * taken
