"""On a GPU what a CPU computes: each strategy, precision and way of training. make test-gpu."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState, PartialState
from clips import tone
from ranks_harness import launched
from runs import (
    After,
    Silent,
    byte_tokens,
    save_base,
    save_corpus,
    tiny_experiment,
    write_experiment,
)
from tiny import tiny_model

from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig, Transcript
from mothertongue.errors import Preempted
from mothertongue.experiment.run_dir import RunDir
from mothertongue.training.run import run

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU, or hidden: make test-gpu"),
    # A GPU's machine often brings its own torch, with other warnings than the pinned one.
    pytest.mark.filterwarnings("default"),
]

STRATEGIES: dict[str, dict[str, Any]] = {
    "full": {"kind": "full"},
    "freeze": {"kind": "freeze", "encoder_layers": 1},
    "reinit": {"kind": "reinit", "encoder_layers": 1},
    "bottleneck": {"kind": "bottleneck", "dim": 8, "encoder_top": 1},
    "lora": {"kind": "lora", "rank": 4, "alpha": 8},
}
ROUNDING = 1e-3  # of a loss after 12 steps in float32, relative
ROUNDING_BF16 = 0.02

Train = Callable[..., tuple[Silent, RunDir]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("gpu")
    return save_base(folder / "base"), save_corpus(folder / "data")


@pytest.fixture
def train(made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Train a tiny run in a folder of the test's, on the GPU or as if there were none."""

    def trained(
        name: str, watcher: Silent | None = None, is_on_gpu: bool = True, **changes: Any
    ) -> tuple[Silent, RunDir]:
        watcher, home = watcher or Silent(), tmp_path / name
        home.mkdir(exist_ok=True)
        # accelerate remembers the first device of a process.
        AcceleratorState._reset_state(reset_partial_state=True)
        with monkeypatch.context() as patch:
            patch.setenv("MOTHERTONGUE_CACHE", str(tmp_path / f"{name}-cache"))
            if not is_on_gpu:
                patch.setattr(torch.cuda, "is_available", lambda: False)
            run(tiny_experiment(home, *made, **changes), RunDir(home / "run"), watcher)
            device = PartialState().device.type
        AcceleratorState._reset_state(reset_partial_state=True)
        assert device == ("cuda" if is_on_gpu else "cpu")
        return watcher, RunDir(home / "run")

    return trained


@pytest.mark.parametrize("kind", STRATEGIES)
def test_float32_gives_the_losses_of_a_cpu(train: Train, kind: str) -> None:
    strategy = STRATEGIES[kind]
    there, _ = train("cpu", is_on_gpu=False, strategy=strategy)
    here, _ = train("gpu", strategy=strategy)
    assert here.losses == pytest.approx(there.losses, rel=ROUNDING)
    assert here.wers == there.wers


@pytest.mark.parametrize("kind", STRATEGIES)
def test_bfloat16_stays_near(train: Train, kind: str) -> None:
    exact, _ = train("fp32", strategy=STRATEGIES[kind])
    near, _ = train("bf16", strategy=STRATEGIES[kind], precision="bf16")
    assert near.losses == pytest.approx(exact.losses, rel=ROUNDING_BF16)
    assert near.losses != exact.losses


@pytest.mark.parametrize(
    "changes",
    [
        {"compile": True},
        {"gradient_checkpointing": True},
        {"micro_batch_size": 1},
        {"workers": 2},
        {"strategy": STRATEGIES["freeze"], "prefix_cache_gb": 0},
        {"graphs": "auto", "gradient_checkpointing": True},
        {"graphs": "auto", "compile": True},
        *({"strategy": each, "graphs": "auto"} for each in STRATEGIES.values()),
    ],
    ids=lambda changes: next(reversed(changes)),
)
def test_ways_of_the_same_step(train: Train, changes: dict[str, Any]) -> None:
    plain, _ = train("plain", strategy=changes.get("strategy", {"kind": "full"}))
    other, _ = train("other", **changes)
    assert other.losses == pytest.approx(plain.losses, rel=ROUNDING)


@pytest.mark.parametrize("graphs", ["off", "auto"])
def test_attention_by_cudnn_stays_near(train: Train, graphs: str) -> None:
    settings = {"precision": "bf16", "context": "full", "graphs": graphs}
    plain, _ = train("plain", **settings)
    other, _ = train("cudnn", **settings, cudnn_attention=True)
    assert other.losses == pytest.approx(plain.losses, rel=ROUNDING_BF16)


@pytest.mark.parametrize("kind", STRATEGIES)
def test_replayed_passes_are_the_eager_ones(train: Train, kind: str) -> None:
    """The same kernels in the same order, in shapes that repeat from the third epoch on."""
    settings = {"strategy": STRATEGIES[kind], "epochs": 6}
    eager, _ = train("eager", **settings)
    replayed, _ = train("replayed", **settings, graphs="auto")
    assert replayed.losses == pytest.approx(eager.losses, rel=ROUNDING)
    assert any("are replayed" in note for note in replayed.notes)


@pytest.mark.parametrize("graphs", ["off", "auto"])
def test_a_run_that_was_stopped_goes_on(train: Train, graphs: str) -> None:
    whole, _ = train("whole", graphs=graphs)
    first = After(5)
    with pytest.raises(Preempted):
        train("stopped", first, graphs=graphs)
    second, found = train("stopped", graphs=graphs)
    assert second.began_at == 5
    assert first.losses + second.losses == pytest.approx(whole.losses, rel=ROUNDING)
    assert found.is_done


def test_two_ranks_compute_what_one_process_does(
    train: Train, made: tuple[Path, Path], tmp_path: Path
) -> None:
    """On one GPU they share it by gloo, under which ZeRO died of a segmentation fault."""
    stages = (0, 2, 3) if torch.cuda.device_count() > 1 else (0,)
    plan = []
    for kind, strategy in STRATEGIES.items():
        for stage in stages:
            home = tmp_path / f"two-{kind}{stage}"
            home.mkdir()
            path = write_experiment(home, *made, strategy=strategy, zero=stage)
            plan.append({"experiment": str(path), "run": str(home / "run")})
    said = launched(2, plan, tmp_path)
    assert len(said) == 2 * len(plan)
    for kind, strategy in STRATEGIES.items():
        alone, _ = train(f"one-{kind}", strategy=strategy)
        for rank in (each for each in said if f"two-{kind}" in each["run"]):
            assert rank["outcome"] == "done"
            assert rank["losses"] == pytest.approx(alone.losses, rel=ROUNDING), rank["run"]


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("context", ["full", "bucket"])
def test_decoding_writes_the_tokens_of_a_cpu(beam_size: int, context: Any) -> None:
    tokens = byte_tokens()
    audio = [tone(seconds, 200.0 + 90 * i) for i, seconds in enumerate((0.7, 2.4, 1.1, 1.9, 0.9))]

    def decoded(device: str) -> list[Transcript]:
        model = torch.nn.Module.to(tiny_model(tokens, seed=3), device)
        config = DecodeConfig(batch_size=3, beam_size=beam_size)
        return TorchTranscriber(model, tokens, context=context, config=config)(audio, "sw")

    here, there = decoded("cuda"), decoded("cpu")
    assert [each.tokens for each in here] == [each.tokens for each in there]


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("context", ["full", "bucket"])
def test_replayed_decoding_writes_the_tokens_of_the_eager_one(beam_size: int, context: Any) -> None:
    """In a second call too, which finds the graphs of the first."""
    tokens = byte_tokens()
    audio = [tone(0.6 + 0.3 * (i % 7), 200.0 + 90 * i) for i in range(9)]

    def decoded(graphs: Any) -> list[list[Transcript]]:
        model = torch.nn.Module.to(tiny_model(tokens, seed=3), "cuda")
        config = DecodeConfig(batch_size=3, beam_size=beam_size, graphs=graphs)
        transcriber = TorchTranscriber(model, tokens, context=context, config=config)
        return [transcriber(clips, "sw") for clips in (audio, audio[::-1])]

    eager, replayed = decoded("off"), decoded("auto")
    for there, here in zip(eager, replayed, strict=True):
        assert [each.tokens for each in here] == [each.tokens for each in there]
        assert any(each.tokens for each in here)
