"""Successive halving: what is cut, why, and that it stays cut."""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from grids import MakeGrid, Quiet, in_process
from runs import Silent

from mothertongue.comparison.compare import compare
from mothertongue.comparison.grid import Grid, expand
from mothertongue.comparison.halving import Halvings, first_seed
from mothertongue.comparison.summary import findings
from mothertongue.comparison.tasks import IsCut, Task, TaskWatcher, never
from mothertongue.errors import Preempted
from mothertongue.experiment import load_experiment, run
from mothertongue.records import RunDir, append_line
from mothertongue.training.stopping import StopRequest
from mothertongue.training.validation import Validation
from mothertongue.validator import SplitValidator

pytest.importorskip("ray.tune", reason="the extra `cluster` is not installed")
RATES = [3e-3, 1e-3, 2e-3, 1e-4, 1e-5]


class Watched(Silent):
    """Stops the run as a comparison's process would: by a signal, after a validation."""

    def __init__(self, task: Task, is_cut: IsCut) -> None:
        super().__init__()
        self.task, self.is_cut = task, is_cut

    def validated(self, step: int, wer: float, is_best: bool) -> None:
        if self.is_cut(self.task):
            os.kill(os.getpid(), signal.SIGTERM)


def one_by_one(tasks: Sequence[Task], watcher: TaskWatcher, is_cut: IsCut = never) -> None:
    if is_cut is never:
        in_process(tasks, watcher)
        return
    for task in tasks:
        watcher.started(task.name)
        try:
            experiment = load_experiment(Path(task.command[-3]))
            run(experiment, RunDir(Path(task.command[-1])), Watched(task, is_cut))
        except Preempted:
            watcher.ended(task.name, True)
            continue
        watcher.ended(task.name, True)


@pytest.fixture
def grid(make_grid: MakeGrid, monkeypatch: pytest.MonkeyPatch) -> Grid:
    """Five learning rates whose WER is known: 0.1 for the highest, ten times less loses ten times.

    Every second epoch has a validation.
    """

    def known(self: SplitValidator, stop: StopRequest, clips: int) -> Validation:
        wer = 0.1 * RATES[0] / self.train.learning_rate
        return Validation(wer, (wer, wer))

    monkeypatch.setattr(SplitValidator, "__call__", known)
    sweep = {"strategy": {"kind": "full"}, "sweep": {"train.learning_rate": RATES}}
    return make_grid(
        strategies={"full": sweep},
        seeds=[0, 1],
        train={"epochs": 4, "batch_size": 4, "precision": "fp32", "validation_clips": "all"},
        halving={"first_epochs": 1, "factor": 2},
    )


def test_what_is_behind_is_cut_and_the_result_says_so(grid: Grid, tmp_path: Path) -> None:
    out, watcher = tmp_path / "out", Quiet()
    result = compare(grid, out, one_by_one, watcher)
    cuts = {each["settings"]["train.learning_rate"]: each for each in result["cuts"]}
    # In this order each meets those before it: 2e-3 is in the better half of three after an epoch,
    # but behind the only one that came to the next rung.
    assert {rate: each["epoch"] for rate, each in cuts.items()} == {
        **{1e-3: 1.0, 2e-3: 2.0, 1e-4: 1.0, 1e-5: 1.0}
    }
    assert cuts[1e-4]["wer"] == pytest.approx(3.0)
    assert cuts[1e-4]["best_wer"] == pytest.approx(0.1)
    assert cuts[1e-4]["out_of"] == 4
    assert json.loads((out / "cuts.json").read_text()) == result["cuts"]
    finished = sorted(path.parent.name for path in out.glob("runs/*/record.json"))
    assert finished == ["sw-full-learning_rate0.003-seed0", "sw-full-learning_rate0.003-seed1"]
    begun = {path.parent.name for path in out.glob("runs/*/experiment.yaml")}
    assert not any("seed1" in name and "1e-05" in name for name in begun)
    (row,) = result["languages"]["sw"]["strategies"]
    assert row["settings"] == {"train.learning_rate": 3e-3}
    said = "\n".join(findings(result))
    assert "full with learning_rate=0.0001 was cut after 1 epochs" in said
    assert "at a validation WER of 300.0 %; the best of 4 there had 10.0 %" in said


def test_values_that_are_validated_less_often_are_compared_all_the_same(
    grid: Grid, tmp_path: Path
) -> None:
    """One that has its first validation later than the one that is cut beside it."""
    assert grid.halving
    candidates = first_seed(grid, expand(grid))[:2]
    told = [(candidates[0], 3.0, 0.1), (candidates[1], 2.0, 0.3)]
    watcher = Quiet()
    halvings = Halvings(grid.halving, candidates, tmp_path, watcher)
    outcomes = []
    for each, epoch, wer in told:
        run_dir = each.run_dir(tmp_path)
        run_dir.path.mkdir(parents=True)
        append_line(run_dir.metrics, {"step": 3, "epoch": epoch, "validation_wer": wer})
        outcomes.append(halvings.is_cut(Task(each.experiment.name, (), tmp_path / "log")))
    assert outcomes == [False, True]
    assert "the best of 2 had 10.0%" in watcher.notes[0]


def test_a_comparison_that_continues_cuts_nothing_anew(grid: Grid, tmp_path: Path) -> None:
    first = compare(grid, tmp_path / "out", one_by_one, Quiet())
    watcher = Quiet()
    assert compare(grid, tmp_path / "out", one_by_one, watcher) == first
    assert not watcher.done
