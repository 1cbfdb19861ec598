"""Test full memory and full disk: a smaller micro-batch, or one message."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from disks import leave_free, no_file_above
from measured import MEASURED
from runs import After, Silent
from safetensors import SafetensorError
from trained import Make, trained, weights

from mothertongue.errors import DiskFull, MothertongueError, Preempted
from mothertongue.experiment.run_dir import RunDir
from mothertongue.training.loss import LabelLoss
from mothertongue.training.plan_estimate import estimate
from mothertongue.training.run import run


@pytest.fixture
def needed(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The bytes that a run asks for before its first step, on a disk without room."""

    def ask(folder: str, **changes: Any) -> int:
        watcher = Silent()
        with monkeypatch.context() as patch, pytest.raises(DiskFull) as raised:
            leave_free(patch, 1000)
            run(make(**changes), RunDir(tmp_path / folder), watcher)
        assert watcher.losses == []
        (found,) = re.findall(r"checkpoints: no room .* needs ([\d,]+) bytes", str(raised.value))
        return int(found.replace(",", ""))

    return ask


def test_a_disk_without_room_is_said_before_the_first_step(
    make: Make, needed: Callable[..., int], tmp_path: Path
) -> None:
    weights = needed("begun") / 10  # for a while three checkpoints, with two moments; and the best
    assert needed("b", save_every_steps=6) == 8 * weights
    assert needed("c", save_every_steps=12) == 5 * weights
    with pytest.raises(Preempted):
        run(make(), RunDir(tmp_path / "begun"), After(5))
    assert needed("begun") == pytest.approx((10 - 2 * 3 - 1) * weights, rel=0.1)


def test_a_plan_tells_the_disk_that_the_run_asks_for(
    make: Make, needed: Callable[..., int]
) -> None:
    trained = needed("plain") // 10 // 4
    steps = {"step_flops": (1.0,) * 6, "step_is_full": (False,) * 6}
    measured = replace(MEASURED, trained=trained, **steps)
    averages = {"ema": 0.9, "average_last": 3}
    for i, changes in enumerate(({}, {"save_every_steps": None}, averages)):
        planned = estimate(measured, make(**changes)).disk_bytes
        assert planned == needed(f"run{i}", **changes)


def test_a_disk_that_fills_up_is_one_message_and_nothing_is_lost(
    make: Make, tmp_path: Path
) -> None:
    run_dir = RunDir(tmp_path / "run")
    said = r"step-0000003: no room on the disk: it needs more than .* make room there"
    with no_file_above(100_000), pytest.raises(DiskFull, match=said) as raised:
        run(make(epochs=1), run_dir, Silent())
    assert isinstance(raised.value.__cause__, SafetensorError)
    assert list(run_dir.checkpoints.iterdir()) == []
    assert run(make(epochs=1), run_dir, Silent()).steps == 6


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_step(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = trained(make(batch_size=4, micro_batch_size=2, epochs=1), tmp_path / "small")
    forward = LabelLoss.forward

    def limited(
        self: LabelLoss, samples_BS: torch.Tensor, *labels: torch.Tensor, **rows: Any
    ) -> Any:
        if len(samples_BS) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes")
        return forward(self, samples_BS, *labels, **rows)

    monkeypatch.setattr(LabelLoss, "forward", limited)
    record = run(make(batch_size=4, epochs=1), RunDir(tmp_path / "limited"), Silent())
    assert record.micro_batch_size == 2
    assert weights(tmp_path / "limited") == small


@pytest.mark.parametrize(("asked", "expected"), [({}, {2}), ({"micro_batch_size": 5}, {3})])
def test_steps_at_30_s_go_in_small_micro_batches_on_a_cpu(
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, int],
    expected: set[int],
) -> None:
    forward, seen = LabelLoss.forward, list[int]()

    def counting(
        self: LabelLoss, samples_BS: torch.Tensor, *labels: torch.Tensor, **rows: Any
    ) -> Any:
        if self.model.training:  # validation computes its loss too
            seen.append(len(samples_BS))
        return forward(self, samples_BS, *labels, **rows)

    monkeypatch.setattr(LabelLoss, "forward", counting)
    experiment = make(batch_size=6, epochs=1, full_context_share=1.0, **asked)
    run(experiment, RunDir(tmp_path / "run"), Silent())
    assert set(seen) == expected
    assert sum(seen) == 12


def test_a_run_goes_on_with_smaller_micro_batches(make: Make, tmp_path: Path) -> None:
    """The message about memory on several devices promises this."""
    folder = RunDir(tmp_path / "run")
    with pytest.raises(Preempted):
        run(make(batch_size=4, epochs=1), folder, After(2))
    smaller = Silent()
    record = run(make(batch_size=4, epochs=1, micro_batch_size=1), folder, smaller)
    assert (smaller.began_at, record.micro_batch_size) == (2, 1)
    whole = Silent()
    run(make(batch_size=4, epochs=1), RunDir(tmp_path / "whole"), whole)
    assert smaller.losses == pytest.approx(whole.losses[2:], rel=1e-4)


def test_a_run_never_goes_on_with_larger_micro_batches_than_fitted(
    make: Make, tmp_path: Path
) -> None:
    folder = RunDir(tmp_path / "run")
    with pytest.raises(Preempted):
        run(make(batch_size=4, micro_batch_size=2), folder, After(2))
    watcher = Silent()
    assert run(make(batch_size=4, micro_batch_size=4), folder, watcher).micro_batch_size == 2
    assert "micro-batches of 2, as the run's newest checkpoint" in " ".join(watcher.notes)


def test_halving_begins_at_the_clips_that_were_there(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of 60 s can hold 60 clips, but here at most 12."""
    tried: list[int] = []

    def none(self: LabelLoss, samples_BS: torch.Tensor, *labels: torch.Tensor, **rows: Any) -> Any:
        tried.append(len(samples_BS))
        raise RuntimeError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr(LabelLoss, "forward", none)
    changes = {"batch_seconds": 60, "batch_size": 8, "full_context_share": 0}
    with pytest.raises(MothertongueError, match="with a single clip"):
        run(make(**changes), RunDir(tmp_path / "run"), Silent())
    assert tried[0] <= 12
    assert tried == sorted(set(tried), reverse=True)


def test_out_of_memory_with_one_clip_says_what_to_do(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(self: LabelLoss, *args: torch.Tensor, **rows: Any) -> Any:
        raise RuntimeError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr(LabelLoss, "forward", never)
    with pytest.raises(MothertongueError, match="with a single clip; use a smaller base"):
        run(make(), RunDir(tmp_path / "run"), Silent())


def test_gradient_checkpointing_changes_no_weight(make: Make, tmp_path: Path) -> None:
    plain = trained(make(epochs=1), tmp_path / "plain")
    assert trained(make(epochs=1, gradient_checkpointing=True), tmp_path / "less") == plain
