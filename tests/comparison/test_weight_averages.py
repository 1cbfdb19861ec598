"""Averages of a comparison: made of its seeds, chosen on validation, scored like a run."""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import psutil
import pytest
import torch
import warm
from grids import MakeGrid, Quiet, in_process
from runs import PATIENCE_S, save_corpus, validation
from torch import Tensor

from mothertongue.comparison import average as averaging
from mothertongue.comparison import average_scores
from mothertongue.comparison.average_scores import ALPHAS
from mothertongue.comparison.compare import compare
from mothertongue.comparison.grid import Grid, WeightAverages
from mothertongue.comparison.jobs.task import IsCut, Task, TaskWatcher, never
from mothertongue.comparison.schema import Comparison, WeightAverage
from mothertongue.config import parse
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError, Preempted
from mothertongue.experiment import checkpoints
from mothertongue.inference.evaluate_run import evaluate_any
from mothertongue.inference.open_model import open_model
from mothertongue.model.load import load_base
from mothertongue.system.json_files import read_json

Json = dict[str, Any]
FULL = {"full": {"strategy": {"kind": "full"}}}
NAME = "sw-full-average"


def weights(folder: Path) -> dict[str, Tensor]:
    return checkpoints.read_tensors(folder / "best", checkpoints.TRAINED)


def averages(result: Comparison) -> list[WeightAverage]:
    return result.languages["sw"].weight_averages


def rated(monkeypatch: pytest.MonkeyPatch, *wers: float) -> None:
    """Give the models that are scored for an average these error rates, one after the other."""
    left = iter(wers)
    monkeypatch.setattr(average_scores, "rates", lambda *_: validation(next(left)))


def test_the_seeds_of_a_strategy_have_an_average_of_their_own(
    make_grid: MakeGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two seeds, the base, then alpha 0.5 to 1: 0.8 is the best.
    rated(monkeypatch, 0.5, 0.4, 0.9, 0.6, 0.5, 0.4, 0.3, 0.35, 0.45)
    out, watcher = tmp_path / "out", Quiet()
    result = compare(make_grid(strategies=FULL, seeds=[0, 1], average={}), out, in_process, watcher)
    assert watcher.done.index(f"averaging {NAME}") < watcher.done.index("scoring sw-full-seed0")
    assert f"scoring {NAME}" in watcher.done
    (found,) = averages(result)
    assert (found.run, found.alpha, found.alpha_by) == (NAME, 0.8, "sweep")
    assert found.runs == ["sw-full-seed0", "sw-full-seed1"]
    assert (found.best_run, found.split) == ("sw-full-seed1", "validation")
    assert found.difference == pytest.approx(-0.1)
    assert [each.alpha for each in found.curve] == [0, *ALPHAS]
    assert all(each.retention and each.retention.sets["en"].n == 4 for each in found.curve)
    base = dict(
        load_base(
            json.loads((out / "runs" / NAME / "record.json").read_text())["experiment"]["base"]
        ).model.named_parameters()
    )
    first, second = (weights(out / f"runs/sw-full-seed{seed}") for seed in (0, 1))
    for name, value in weights(out / "runs" / NAME).items():
        expected = torch.lerp(base[name].detach(), (first[name] + second[name]) / 2, 0.8)
        torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-5)
    assert read_json(out / "comparison.json", Comparison) == result


def test_an_average_is_one_model_and_no_seed_of_its_strategy(
    make_grid: MakeGrid, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with_it = make_grid(strategies=FULL, seeds=[0, 1], average={})
    result = compare(with_it, out, in_process, Quiet())
    (found,), (row,) = averages(result), result.languages["sw"].strategies
    assert row.runs == ["sw-full-seed0", "sw-full-seed1"]
    assert len(row.scores["strict"].by_seed) == 2
    without = compare(
        make_grid(strategies=FULL, seeds=[0, 1], average=None), out, in_process, Quiet()
    )
    assert averages(without) == []
    assert without.languages["sw"].strategies == [row]
    scores = found.scores["strict"]
    assert len(scores.by_seed) == 1 and scores.sd_over_seeds is None
    seeds = fmean(row.scores["strict"].by_seed)
    assert found.vs_seeds.difference == pytest.approx(scores.wer - seeds)
    assert found.vs_seeds.p is None and not found.vs_seeds.over_seeds
    assert set(found.also) == {"also-other"}
    assert found.retention.sets["en"].n == 4
    # It is a run like any other.
    again = evaluate_any(
        str(out / "runs" / NAME), None, "test", None, DecodeConfig(), open_model, with_base=False
    )
    assert again.scores["strict"].wer == scores.wer


def test_an_average_is_made_again_only_of_other_runs_or_sets(
    make_grid: MakeGrid, tmp_path: Path
) -> None:
    out, kept = tmp_path / "out", Quiet()
    grid = make_grid(strategies=FULL, seeds=[0, 1], average={})
    before = compare(grid, out, in_process, Quiet())
    assert compare(grid, out, in_process, kept) == before
    assert kept.done == []
    more, fewer = Quiet(), Quiet()
    three = make_grid(strategies=FULL, seeds=[0, 1, 2], average={})
    (found,) = averages(compare(three, out, in_process, more))
    assert len(found.runs) == 3
    assert more.done == [
        "sw-full-seed2",
        f"averaging {NAME}",
        "scoring sw-full-seed2",
        f"scoring {NAME}",
    ]
    none_kept = make_grid(strategies=FULL, seeds=[0, 1, 2], average={}, retention={})
    (found,) = averages(compare(none_kept, out, in_process, fewer))
    assert f"averaging {NAME}" in fewer.done
    assert found.retention is found.curve[0].retention is None


def test_one_seed_has_only_the_sweep_and_alpha_1_is_the_run_itself(
    make_grid: MakeGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rated(monkeypatch, 0.4, 0.9, 0.6, 0.6, 0.6, 0.6, 0.6, 0.4)
    watcher = Quiet()
    result = compare(make_grid(strategies=FULL, average={}), tmp_path / "out", in_process, watcher)
    (found,), (row,) = averages(result), result.languages["sw"].strategies
    assert (found.runs, found.alpha) == (["sw-full-seed0"], 1.0)
    assert watcher.done.count("scoring sw-full-seed0") == 1
    assert f"scoring {NAME}" not in watcher.done
    assert found.scores == row.scores
    assert found.vs_seeds.difference == 0


def test_a_soup_without_a_sweep_is_the_mean(make_grid: MakeGrid, tmp_path: Path) -> None:
    settings = {"with_base": None}
    grid = make_grid(strategies=FULL, seeds=[0, 1], average=settings)
    (found,) = averages(compare(grid, tmp_path / "out", in_process, Quiet()))
    assert [each.alpha for each in found.curve] == [1.0]
    first, second = (weights(tmp_path / f"out/runs/sw-full-seed{seed}") for seed in (0, 1))
    for name, value in weights(tmp_path / "out/runs" / NAME).items():
        assert torch.equal(value, ((first[name].double() + second[name].double()) / 2).float())


@pytest.mark.parametrize(
    ("strategy", "why"),
    [
        ({"kind": "reinit", "encoder_layers": 1}, "drew new layers from the seeds 0, 1"),
        ({"kind": "lora", "rank": 20, "alpha": 20}, "has rank 40, but .* at most rank 32"),
    ],
    ids=["reinit", "lora"],
)
def test_of_runs_that_have_no_mean_the_best_on_validation_is_swept(
    strategy: Json, why: str, make_grid: MakeGrid, tmp_path: Path
) -> None:
    watcher = Quiet()
    grid = make_grid(strategies={"full": {"strategy": strategy}}, seeds=[0, 1], average={})
    result = compare(grid, tmp_path / "out", in_process, watcher)
    (found,) = averages(result)
    curve = {each.seed: (each.wer, each.cer) for each in result.curves}
    best = min(curve, key=lambda seed: curve[seed])
    if curve[0] != curve[1]:
        assert found.runs == [f"sw-full-seed{best}"]
    assert len(found.runs) == 1
    (said,) = [note for note in watcher.notes if "2 runs are not averaged" in note]
    assert re.search(why, said)


def test_without_validation_there_is_no_average(
    make_grid: MakeGrid, corpora: dict[str, Path], tmp_path: Path
) -> None:
    data = save_corpus(tmp_path / "unchosen", validation=0)
    watcher = Quiet()
    grid = make_grid(languages={"sw": {"data": str(data)}}, strategies=FULL, average={})
    assert averages(compare(grid, tmp_path / "out", in_process, watcher)) == []
    assert "sw, full: no validation split to choose an average on" in "\n".join(watcher.notes)


def test_the_test_split_never_chooses_an_average(make_grid: MakeGrid, tmp_path: Path) -> None:
    settings = make_grid(strategies=FULL, seeds=[0, 1]).model_dump(mode="json")
    del settings["average"]
    assert parse(Grid, settings, "grid").average == WeightAverages(soup=True, with_base="sweep")
    paper = parse(Grid, settings | {"protocol": "paper"}, "grid")
    assert paper.average is None
    assert parse(Grid, paper.model_dump(mode="json"), "grid") == paper  # as grid.yaml keeps it
    result = compare(paper, tmp_path / "out", in_process, Quiet())
    assert averages(result) == []
    with pytest.raises(ConfigError, match="under protocol paper the test split would choose"):
        make_grid(protocol="paper", average={})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"soup": False, "with_base": None}, "averages nothing; give average: null"),
        ({"with_base": None}, "the mean of one seed has no effect"),
        ({"soups": True}, r"^  average\.soups: unknown key"),
        ({"with_base": 0.5}, r"^  average\.with_base: Input should be 'sweep' \(got 0\.5\)"),
    ],
)
def test_settings_without_effect_are_refused(
    settings: Json, said: str, make_grid: MakeGrid
) -> None:
    with pytest.raises(ConfigError, match=f"(?m){said}"):
        make_grid(average=settings)


def test_an_average_that_was_stopped_is_made_again(
    make_grid: MakeGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCutError(Exception):
        pass

    def cut(*_: Any) -> None:
        raise PowerCutError

    out, grid = tmp_path / "out", make_grid(strategies=FULL, seeds=[0, 1], average={})
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        patch.setattr(averaging, "write_json", cut)  # the last file of the new run
        compare(grid, out, in_process, Quiet())
    assert not (out / "runs" / NAME).exists()
    assert not list(out.glob("runs/*/eval/test.json"))
    again = Quiet()
    compare(grid, out, in_process, again)
    assert again.done[0] == f"averaging {NAME}"
    assert not list((out / "runs").glob(".t*"))


@pytest.mark.slow
def test_a_comparison_that_was_killed_in_an_average_goes_on(
    make_grid: MakeGrid, tmp_path: Path
) -> None:
    grid = make_grid(strategies=FULL, seeds=[0, 1], average={}, retention={})
    out, log = tmp_path / "out", tmp_path / "out/logs" / f"{NAME}.log"
    with pytest.raises(Preempted):
        compare(grid, out, train_alone, Quiet())
    trained = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/record.json")}
    with warm.begun("compare", tmp_path / "grid.yaml", "--out", out) as verb:
        while not (children := psutil.Process(verb.pid).children(recursive=True)):
            assert verb.is_alive()
            time.sleep(0.05)
    assert log.exists()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert not alive
    again = Quiet()
    compare(grid, out, in_process, again)
    assert again.done[0] == f"averaging {NAME}"
    assert len(trained) == 2
    assert all(path.stat().st_mtime_ns == at for path, at in trained.items())
    assert (out / "runs" / NAME / "record.json").is_file()


def train_alone(tasks: Sequence[Task], watcher: TaskWatcher, is_cut: IsCut = never) -> None:
    """A runner that is stopped where the trainings are done."""
    if not all("train" in each.command for each in tasks):
        raise Preempted("trained")
    in_process(tasks, watcher, is_cut)
