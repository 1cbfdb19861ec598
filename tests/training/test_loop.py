"""The loop: what it computes, what it keeps, and how it ends."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from runs import Silent, byte_tokens, save_corpus, tiny_experiment, validation
from tiny import noise, tiny_model
from trained import Make, trained, weights

from mothertongue.data.manifest import read_data, write_manifest
from mothertongue.errors import ConfigError, DataError, MothertongueError
from mothertongue.experiment.load import load_run
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.train_config import TrainConfig, learning_rate
from mothertongue.strategies.base import trained_parameters
from mothertongue.strategies.full import Full
from mothertongue.training import loop
from mothertongue.training.batch import collate
from mothertongue.training.dataset import StepDataset
from mothertongue.training.determinism import deterministic
from mothertongue.training.loss import LabelLoss
from mothertongue.training.run import run
from mothertongue.training.validator import SplitValidator


def test_it_learns_and_leaves_a_whole_run(make: Make, tmp_path: Path) -> None:
    watcher = Silent()
    record = run(make(epochs=4, context="full"), RunDir(tmp_path / "run"), watcher)
    assert sum(watcher.losses[-6:]) < 0.9 * sum(watcher.losses[:6])
    assert record.steps == len(watcher.losses) == 24
    assert record.best_validation_wer == min(watcher.wers)
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {
        *("best", "checkpoints", "data.jsonl", "experiment.yaml", "final", "identity.json"),
        *("metrics.jsonl", "record.json", "state.json"),
    }
    kept = sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir())
    assert kept == ["step-0000021", "step-0000024"]


def test_the_same_seed_gives_the_same_weights_whatever_the_number_of_workers(
    make: Make, tmp_path: Path
) -> None:
    digests = {trained(make(epochs=1, workers=n), tmp_path / f"{n}") for n in (0, 1, 2)}
    assert len(digests) == 1
    assert trained(make(epochs=1, seed=1), tmp_path / "other") not in digests


def test_a_loss_that_is_not_finite_stops_before_the_update_and_names_the_clips(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = LabelLoss.forward

    def poisoned(self: LabelLoss, *args: Any, **rows: Any) -> Any:
        loss = forward(self, *args, **rows)
        return loss * float("nan") if len(watcher.losses) == 4 else loss

    watcher = Silent()
    monkeypatch.setattr(LabelLoss, "forward", poisoned)
    with pytest.raises(MothertongueError, match=r"step 5: loss nan.*Clips of this step: train\d"):
        run(make(), RunDir(tmp_path / "run"), watcher)
    monkeypatch.undo()
    assert trained(make(), tmp_path / "run") == trained(make(), tmp_path / "whole")


@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_a_base_that_skips_layers_at_random_is_refused(
    made: tuple[Path, Path], tmp_path: Path, half: str
) -> None:
    base = shutil.copytree(made[0], tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {f"{half}_layerdrop": 0.5}))
    with pytest.raises(ConfigError, match=rf"{half}_layerdrop is 0.5, expected 0.*config\.json"):
        run(tiny_experiment(tmp_path, base, made[1]), RunDir(tmp_path / "run"), Silent())


def test_random_numbers_of_ranks_and_seeds_never_meet() -> None:
    """65536 << 32 is 1 << 48: added up, a seed was once the stream of another rank."""
    from mothertongue.training.step import _mix

    seeds = [0, 1, 65535, 65536, 65537, 2**32 - 1]
    mixed = {_mix(seed, step, rank) for seed in seeds for step in range(3) for rank in range(3)}
    assert len(mixed) == len(seeds) * 9
    for each in mixed:
        torch.Generator().manual_seed(each)


def test_the_time_of_training_includes_the_wait_for_data(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    load = StepDataset.__getitem__

    def slow(self: StepDataset, step: int) -> Any:
        now[0] += 10
        return load(self, step)

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(StepDataset, "__getitem__", slow)
    record = run(make(epochs=1, validation_clips="all"), RunDir(tmp_path / "run"), Silent())
    assert record.train_s == 10 * record.steps


def test_patience_stops_early_and_best_is_the_best(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([validation(wer) for wer in (0.9, 0.5, 0.7, 0.6, 0.1)])
    monkeypatch.setattr(SplitValidator, "__call__", lambda *_: next(found))
    monkeypatch.setattr(SplitValidator, "at_full_context", lambda *_: validation(0.55))
    record = run(make(eval_every_steps=1, patience=2, epochs=1), RunDir(tmp_path / "run"), Silent())
    assert record.stopped_early
    assert (record.steps, record.best_step, record.best_validation_wer) == (4, 2, 0.55)
    assert record.best_validation_interval95 == pytest.approx((0.45, 0.65))
    assert weights(tmp_path / "run", "best") != weights(tmp_path / "run", "final")


def test_several_manifests_are_one_corpus(
    make: Make, made: tuple[Path, Path], tmp_path: Path
) -> None:
    second = save_corpus(tmp_path / "second", train=4, validation=1, test=1)
    both = make().model_copy(update={"data": (made[1], second)})
    watcher = Silent()
    record = run(both, RunDir(tmp_path / "run"), watcher)
    assert record.steps == len(watcher.losses) == 2 * (12 + 4) // 2
    assert load_run(tmp_path / "run").experiment.data == (made[1], second)


def test_a_language_without_a_token_trains_under_the_one_it_borrows(
    make: Make, made: tuple[Path, Path], tmp_path: Path
) -> None:
    twi = [replace(each, language="tw") for each in read_data([made[1]])]
    write_manifest(tmp_path / "twi" / "manifest.jsonl", twi)
    changes = {"language": "tw", "data": tmp_path / "twi"}
    with pytest.raises(ConfigError, match="borrow"):
        run(make().model_copy(update=changes), RunDir(tmp_path / "none"), Silent())
    borrowing = make(epochs=1).model_copy(update=changes | {"borrow": {"tw": "sw"}})
    run(borrowing, RunDir(tmp_path / "twi-run"), Silent())
    run(make(epochs=1), RunDir(tmp_path / "sw-run"), Silent())
    assert weights(tmp_path / "twi-run") == weights(tmp_path / "sw-run")
    tokens = load_run(tmp_path / "twi-run").base.tokens
    assert tokens.prefix("tw") == tokens.prefix("sw")


def test_choice_on_the_test_split_is_possible_and_recorded(
    make: Make, made: tuple[Path, Path], tmp_path: Path
) -> None:
    chosen = make(epochs=1).model_copy(update={"select_on": "test"})
    record = run(chosen, RunDir(tmp_path / "run"), Silent())
    assert record.selected_on == "test"
    train_only = [each for each in read_data([made[1]]) if each.split == "train"]
    write_manifest(tmp_path / "train" / "manifest.jsonl", train_only)
    nothing = chosen.model_copy(update={"data": tmp_path / "train"})
    with pytest.raises(DataError, match="no utterance in split 'test'"):
        run(nothing, RunDir(tmp_path / "none"), Silent())


def test_bfloat16_trains(make: Make, tmp_path: Path) -> None:
    watcher = Silent()
    run(make(epochs=4, precision="bf16"), RunDir(tmp_path / "run"), watcher)
    assert sum(watcher.losses[-6:]) < 0.9 * sum(watcher.losses[:6])


def test_the_learning_rate_climbs_and_falls_linearly() -> None:
    config = TrainConfig(learning_rate=1.0, warmup_ratio=0.4)
    rates = [learning_rate(step, 10, config) for step in range(10)]
    rising, falling = [0.25, 0.5, 0.75, 1.0], [1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    assert rates == pytest.approx(rising + falling)


def test_biases_and_norms_do_not_decay() -> None:
    from mothertongue.training.step import _decay_groups

    parameters = {"weight": torch.zeros(2, 2), "bias": torch.zeros(2), "norm": torch.zeros(3)}
    decayed, kept = _decay_groups(parameters, TrainConfig(weight_decay=0.1))
    assert (decayed["weight_decay"], len(decayed["params"])) == (0.1, 1)
    assert (kept["weight_decay"], len(kept["params"])) == (0.0, 2)


def test_a_setting_without_effect_is_refused() -> None:
    with pytest.raises(ValueError, match="full_context_share has no effect with context=full"):
        TrainConfig(context="full", full_context_share=0.2)


def test_gradients_are_the_same_bits_with_several_threads() -> None:
    tokens = byte_tokens()
    model = Full().apply(
        tiny_model(tokens, d_model=384, decoder_layers=1, encoder_layers=1), seed=0
    )
    labels = [tokens.label("habari ya asubuhi " * 12, "sw")] * 8
    clips = [noise(1.0, seed) for seed in range(8)]
    batch = collate("abcdefgh", clips, labels, 1, tokens.end)
    threads = torch.get_num_threads()

    def gradients() -> list[torch.Tensor]:
        model.zero_grad()
        LabelLoss(model)(*batch.tensors()).backward()
        return [value.grad.clone() for value in trained_parameters(model).values()]

    torch.set_num_threads(4)
    try:
        with deterministic(model.device):
            first, *others = [gradients() for _ in range(4)]
    finally:
        torch.set_num_threads(threads)
    assert not torch.are_deterministic_algorithms_enabled()
    for other in others:
        assert all(map(torch.equal, first, other))
