"""Successive halving: what is cut, why, and that it stays cut."""

import itertools
import json
import os
import random
import shutil
import signal
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from grids import MakeGrid, Quiet, in_process
from runs import Silent, validation

from mothertongue.comparison.compare import compare
from mothertongue.comparison.grid import Candidate, Grid, expand
from mothertongue.comparison.halving import Halvings, first_seed
from mothertongue.comparison.jobs.task import IsCut, Task, TaskWatcher, never
from mothertongue.comparison.result import wall_s
from mothertongue.errors import ConfigError, DataError, Preempted
from mothertongue.experiment.config import load_experiment
from mothertongue.experiment.records import MetricsLine
from mothertongue.experiment.run_dir import RunDir, append_line
from mothertongue.experiment.validation import Validation
from mothertongue.report.text.summary import findings
from mothertongue.system.json_files import to_json
from mothertongue.training.run import run
from mothertongue.training.validator import SplitValidator

RATES = [3e-3, 1e-3, 2e-3, 1e-4, 1e-5]


class Watched(Silent):
    """Stops the run as a comparison's process would: by a signal, after a validation."""

    def __init__(self, task: Task, is_cut: IsCut) -> None:
        super().__init__()
        self.task, self.is_cut = task, is_cut

    def validated(self, step: int, found: Validation, is_best: bool) -> None:
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
    """Five learning rates whose WER is known: 0.1 for the highest, 1 for a tenth of it."""

    def known(self: SplitValidator, *_: Any) -> Validation:
        return validation(0.1 * RATES[0] / self.train.learning_rate)

    monkeypatch.setattr(SplitValidator, "__call__", known)
    monkeypatch.setattr(SplitValidator, "at_full_context", known)
    sweep = {"strategy": {"kind": "full"}, "sweep": {"train.learning_rate": RATES}}
    return make_grid(
        strategies={"full": sweep},
        seeds=[0, 1],
        train={"epochs": 4, "batch_size": 4, "precision": "fp32"},
        halving={"first_epochs": 1, "factor": 2},
    )


def test_what_is_behind_is_cut_and_the_result_says_so(grid: Grid, tmp_path: Path) -> None:
    out, watcher = tmp_path / "out", Quiet()
    result = compare(grid, out, one_by_one, watcher)
    cuts = {each.settings["train.learning_rate"]: each for each in result.cuts}
    # In this order each meets those before it: 2e-3 is in the better half of three after an epoch,
    # but behind the only one that came to the next rung.
    assert {rate: each.epoch for rate, each in cuts.items()} == {
        **{1e-3: 1.0, 2e-3: 2.0, 1e-4: 1.0, 1e-5: 1.0}
    }
    assert cuts[1e-4].measure == "wer"
    assert cuts[1e-4].rate == pytest.approx(3.0)
    assert cuts[1e-4].best_rate == pytest.approx(0.1)
    assert cuts[1e-4].out_of == 4
    assert json.loads((out / "cuts.json").read_text()) == to_json(result.cuts)
    finished = sorted(path.parent.name for path in out.glob("runs/*/record.json"))
    assert finished == ["sw-full-learning_rate0.003-seed0", "sw-full-learning_rate0.003-seed1"]
    begun = {path.parent.name for path in out.glob("runs/*/experiment.yaml")}
    assert not any("seed1" in name and "1e-05" in name for name in begun)
    (row,) = result.languages["sw"].strategies
    assert row.settings == {"train.learning_rate": 3e-3}
    assert row.out_of == 5
    told = [json.loads(path.read_text()) for path in out.glob("runs/*/record.json")]
    told += [json.loads((out / f"runs/{cut.run}/state.json").read_text()) for cut in cuts.values()]
    spent_s = [each["train_s"] + each["validate_s"] for each in told]
    assert len(spent_s) == 2 + 4
    assert row.search_wall_s == pytest.approx(sum(spent_s))
    said = "\n".join(findings(result))
    assert "full with learning_rate=0.0001 was cut after epoch 1" in said
    assert "at a validation WER of 300.0 %; the best of 4 there had 10.0 %" in said


def known_curves(grid: Grid) -> dict[str, list[float]]:
    """The WERs of each run after its epochs: as known, and getting better."""
    return {
        each.experiment.name: [
            RATES[0] / each.settings["train.learning_rate"] / epoch for epoch in (1, 2, 3, 4)
        ]
        for each in first_seed(grid, expand(grid))
    }


def validate(candidate: Candidate, folder: Path, epoch: int, found: Validation) -> None:
    metrics = candidate.run_dir(folder).metrics
    metrics.parent.mkdir(parents=True, exist_ok=True)
    facts = {f"validation_{key}": value for key, value in asdict(found).items()}
    append_line(metrics, MetricsLine(3 * epoch, epoch=float(epoch), **facts))


@pytest.mark.parametrize("seed", range(10))
def test_the_order_in_which_validations_come_changes_no_cut(
    seed: int, grid: Grid, tmp_path: Path
) -> None:
    """Five runs side by side, at any speed; one may even be done before it is cut."""
    assert grid.halving
    candidates = first_seed(grid, expand(grid))
    halvings = Halvings(grid.halving, candidates, tmp_path, Quiet())
    curves = known_curves(grid)
    events = [each for each in candidates for _ in range(4)]
    random.Random(seed).shuffle(events)
    epochs = {name: itertools.count(1) for name in curves}
    for each in events:
        name = each.experiment.name
        epoch = next(epochs[name])
        validate(each, tmp_path, epoch, validation(curves[name][epoch - 1]))
        halvings.is_cut(Task(name, (), tmp_path / "log"))
    halvings.update_cuts()
    cuts = {each.settings["train.learning_rate"]: each.epoch for each in halvings.cuts}
    assert cuts == {1e-3: 1, 2e-3: 2, 1e-4: 1, 1e-5: 1}


def test_a_run_waits_for_those_before_it_in_the_grid(grid: Grid, tmp_path: Path) -> None:
    """Four values of one curve: who is heard first, and how far it is, is no reason."""
    assert grid.halving
    candidates = first_seed(grid, expand(grid))[:2]
    task = Task(candidates[1].experiment.name, (), tmp_path / "log")
    halvings = Halvings(grid.halving, candidates, tmp_path, Quiet())
    for epoch, wer in ((1, 0.5), (2, 0.4)):
        validate(candidates[1], tmp_path, epoch, validation(wer))
        assert not halvings.is_cut(task)
    validate(candidates[0], tmp_path, 1, validation(0.5))
    assert not halvings.is_cut(task)  # equal after the same epoch
    validate(candidates[0], tmp_path, 2, validation(0.3))
    assert halvings.is_cut(task)
    assert halvings.cuts[0].epoch == 2


def test_equal_rates_go_by_the_other_rate_then_by_the_loss(grid: Grid, tmp_path: Path) -> None:
    assert grid.halving
    candidates = first_seed(grid, expand(grid))[:2]
    halvings = Halvings(grid.halving, candidates, tmp_path, Quiet())
    validate(candidates[0], tmp_path, 1, validation(1.0, 0.3, 2.0))
    validate(candidates[1], tmp_path, 1, validation(1.0, 0.3, 2.1))
    assert halvings.is_cut(Task(candidates[1].experiment.name, (), tmp_path / "log"))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"train": {"eval_every_steps": 10}}, "train.eval_every_steps"),
        ({"sweep": {"train.eval_every_steps": [10, 20]}}, "sweep.train.eval_every_steps"),
        ({"sweep": {"train.validation_clips": [10, 20]}}, "sweep.train.validation_clips"),
        ({"sweep": {"train.context": ["full", "bucket"]}}, "sweep.train.context"),
    ],
)
def test_what_would_compare_unlike_things_is_refused(
    changes: dict[str, Any], key: str, make_grid: MakeGrid
) -> None:
    arm = {"strategy": {"kind": "full"}} | changes
    with pytest.raises(ConfigError, match=f"strategies.full.{key}: .*halving"):
        make_grid(strategies={"full": arm}, halving={})
    make_grid(strategies={"full": arm})


@pytest.mark.parametrize(
    "changes", [{"sweep": {}}, {"train": {"epochs": 1}}, {"sweep": {"train.learning_rate": [1e-3]}}]
)
def test_halving_that_can_cut_nothing_is_refused(
    changes: dict[str, Any], make_grid: MakeGrid, tmp_path: Path
) -> None:
    sweep = {"strategy": {"kind": "full"}, "sweep": {"train.learning_rate": RATES}}
    grid = make_grid(
        strategies={"full": sweep | changes},
        train={"epochs": 2, "batch_size": 4, "precision": "fp32", "learning_rate": 1e-3},
        halving={"first_epochs": 1},
    )
    with pytest.raises(ConfigError, match=r"halving has no effect: .*first_epochs=1; remove"):
        compare(grid, tmp_path / "out", in_process, Quiet())
    assert not (tmp_path / "out").exists()


def test_cuts_of_an_earlier_version_are_refused(grid: Grid, tmp_path: Path) -> None:
    assert grid.halving
    (tmp_path / "cuts.json").write_text('[{"language": "sw", "wer": 0.5, "best_wer": 0.4}]')
    with pytest.raises(DataError, match=r"cuts\.json: damaged, .*; give the grid another name"):
        Halvings(grid.halving, [], tmp_path, Quiet())


def test_a_comparison_that_continues_cuts_nothing_anew(grid: Grid, tmp_path: Path) -> None:
    first = compare(grid, tmp_path / "out", one_by_one, Quiet())
    watcher = Quiet()
    assert compare(grid, tmp_path / "out", one_by_one, watcher) == first
    for cut in first.cuts:  # to make room on the disk
        shutil.rmtree(tmp_path / "out/runs" / cut.run)
    (row,) = compare(grid, tmp_path / "out", one_by_one, watcher).languages["sw"].strategies
    records = [RunDir(tmp_path / "out/runs" / name).read_record() for name in row.runs]
    assert row.search_wall_s == pytest.approx(sum(map(wall_s, records)))
    assert not watcher.done
