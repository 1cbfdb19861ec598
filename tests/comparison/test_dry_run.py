"""What a dry run says, where it can be known by arithmetic, and the recipes of the paper."""

import io
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from grids import MakeGrid, Quiet, in_process
from measured import MEASURED
from rich.console import Console
from runs import byte_tokens, save_corpus

from mothertongue.comparison import dry_run as cost
from mothertongue.comparison.compare import compare
from mothertongue.comparison.dry_run import dry_run
from mothertongue.comparison.dry_run_records import DryRun
from mothertongue.comparison.grid import expand, load_grid
from mothertongue.comparison.reuse import refuse_unfit
from mothertongue.data.manifest import read_data, read_manifest, write_manifest
from mothertongue.data.sources.fleurs import PAPER_ROWS
from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.load import base_config
from mothertongue.recipes import recipe_path
from mothertongue.report.tables.plan_tables import grid_table
from mothertongue.training import plan_probe
from mothertongue.training.dataset import StepDataset
from mothertongue.training.plan_estimate import Measured
from mothertongue.training.plan_probe import plan
from mothertongue.training.plan_shape import applied, by_shape, mean_frames, sizes_of


def by_counting(experiment: Experiment) -> Measured:
    """The costs of a run that is on this machine, without a probe."""
    train = [each for each in read_data(experiment.manifests) if each.split == "train"]
    model, trained = applied(experiment.strategy, base_config(experiment.base))
    return by_shape(model, trained, sizes_of(train), experiment.train, 1e12)


def printed(found: DryRun) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(grid_table(found))
    return console.file.getvalue()


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device of 1 TFLOP/s."""
    monkeypatch.setattr(cost, "flops_per_s", lambda *_: 1e12)
    monkeypatch.setattr(cost, "measure", by_counting)


def test_a_plan_and_a_dry_run_tell_the_same_costs(
    make_grid: MakeGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs that differ only in seed and learning rate are measured once, all in the precision that
    the runs would choose: for so narrow a base without a measurement.
    """
    probed: list[str] = []
    precisions = set[str]()

    def ask(module: str, request: dict[str, Any]) -> dict[str, Any]:
        probed.append(request["strategy"]["kind"])
        precisions.add(request["train"]["precision"])
        seconds = float(len(str(request["strategy"])))
        read = ((1.0, seconds / 2),) if probed[-1] == "freeze" else ()
        peak = int(1e9 * seconds)
        fields = {"computed": ((1.0, seconds),), "read": read, "peak_memory_bytes": peak}
        return asdict(MEASURED) | fields

    monkeypatch.setattr(plan_probe, "ask", ask)
    swept = {"strategy.encoder_layers": [1], "train.learning_rate": [1e-3, 1e-4]}
    strategies = {
        "full": {"strategy": {"kind": "full"}},
        "freeze": {"strategy": {"kind": "freeze"}, "sweep": swept},
    }
    grid = make_grid(strategies=strategies, seeds=[0, 1], train={"epochs": 3})
    found = dry_run(grid, lambda _: None)
    assert probed == ["full", "freeze"]
    assert len(found.runs) == 2 + 4 and all(run.is_measured for run in found.runs)
    experiments = {each.experiment.name: each.experiment for each in expand(grid)}
    for run in found.runs:
        planned = plan(experiments[run.name])
        for key in ("trainable_parameters", "validation_s", "peak_memory_bytes"):
            assert getattr(run, key) == getattr(planned, key)
        is_first = run.strategy == "full" or run is found.runs[2]
        # The others read from the first epoch on what the first has stored.
        assert (run.training_s == planned.training_s) == is_first
        assert 0 < run.training_s <= planned.training_s
        assert run.validation_s > 0
    assert precisions == {"fp32"}
    assert "shape of the base" not in printed(found)


@pytest.mark.usefixtures("steady")
def test_steps_parameters_and_hours_of_a_tiny_grid(make_grid: MakeGrid) -> None:
    found = dry_run(make_grid(), lambda _: None)
    assert [run.name for run in found.runs] == [
        "sw-full-seed0",
        "sw-freeze-encoder_layers1-seed0",
        "sw-freeze-encoder_layers2-seed0",
    ]
    full, one, two = found.runs
    assert full.steps == 12 // 4
    assert full.trainable_parameters > one.trainable_parameters > two.trainable_parameters
    assert full.estimated_hours > one.estimated_hours > two.estimated_hours > 0
    assert found.total_hours == pytest.approx(sum(r.estimated_hours for r in found.runs))


@pytest.mark.usefixtures("steady")
def test_the_averages_of_weights_are_counted(make_grid: MakeGrid) -> None:
    """3 validation clips by each run and by seven models of a sweep, 4 retention clips by these."""
    reinit = {"strategy": {"kind": "reinit", "encoder_layers": 1}}
    strategies = {"full": {"strategy": {"kind": "full"}}, "reinit": reinit}
    found = dry_run(make_grid(average={}, seeds=[0, 1, 2], strategies=strategies), lambda _: None)
    full, best_of_three = found.averages
    assert (full.strategy, full.runs, full.models) == ("full", 3, 7)
    assert full.decoded_clips == (3 + 7) * 3 + 7 * 4
    assert best_of_three.runs == 1
    assert best_of_three.decoded_clips == (1 + 7) * 3 + 7 * 4
    assert found.average_clips == 58 + 52
    assert "2 averages of weights come on top too: they decode 110 clips" in printed(found)
    soups = make_grid(average={"with_base": None}, seeds=[0, 1], strategies=strategies)
    (only_full,) = dry_run(soups, lambda _: None).averages
    assert only_full.decoded_clips == (2 + 1) * 3
    assert dry_run(make_grid(average=None), lambda _: None).averages == []


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("size", [{"batch_size": 5}, {"batch_seconds": 30}])
def test_steps_are_those_of_the_run(make_grid: MakeGrid, size: dict[str, float]) -> None:
    """By clips or by seconds of context."""
    grid = make_grid(
        strategies={"full": {"strategy": {"kind": "full"}}}, train=size | {"epochs": 2}
    )
    (run,) = dry_run(grid, lambda _: None).runs
    train = expand(grid)[0].experiment.train
    data = [each for each in read_data(grid.languages["sw"].manifests) if each.split == "train"]
    assert run.steps == len(StepDataset(Path(), data, byte_tokens(), train))


@pytest.mark.parametrize(("probability", "frames"), [(1.0, 250), (0.5, 188)])
def test_clips_that_augmentation_slows_take_longer(probability: float, frames: int) -> None:
    """2 and 3 s at half the speed: 4 and 6; half of them: 3 and 4.5, of which the mean is 3.75."""
    speed = {"speed": {"factors": [0.5], "probability": probability}}
    train = TrainConfig(full_context_share=0, augment=speed)
    assert mean_frames([2.0, 3.0], train) == frames


@pytest.mark.usefixtures("steady")
def test_a_store_of_augmented_clips_is_refused_before_anything_runs(make_grid: MakeGrid) -> None:
    grid = make_grid(train={"augment": {"gain": {}}})
    with pytest.raises(ConfigError, match=r"give train\.prefix_cache_gb=0"):
        dry_run(grid, lambda _: None)
    with pytest.raises(ConfigError, match=r"give train\.prefix_cache_gb=0"):
        refuse_unfit(expand(grid), base_config(grid.base))
    grid = make_grid(train={"augment": {"gain": {}}, "prefix_cache_gb": 0})
    refuse_unfit(expand(grid), base_config(grid.base))


@pytest.mark.usefixtures("steady")
def test_the_papers_recipe_by_arithmetic() -> None:
    """Neither its data nor its base is here: nothing is measured."""
    grid = load_grid(
        recipe_path("paper"), ["strategies.freeze.sweep={strategy.encoder_layers: [20]}"]
    )
    found = dry_run(grid, lambda _: None)
    runs = {run.name: run for run in found.runs}
    # full 7, freeze 7, reinit 5 x 7, adapters 7 + 3 more widths, top 10 x 7, LoRA 7
    assert len(runs) == 7 + 7 + 35 + 10 + 70 + 7
    # The paper's table 2, and 35 epochs of batches of 8 (LoRA: 4)
    assert [runs[f"{code}-full-seed0"].steps for code in grid.languages] == [
        4515, 10675, 4060, 14000, 14315, 14595, 13440,
    ]  # fmt: skip
    assert runs["is-lora-seed0"].steps == 35 * 232
    assert runs["sw-lora-seed0"].trainable_parameters == 10_485_760
    assert runs["sw-bottleneck-seed0"].trainable_parameters == 10_735_616
    assert runs["af-bottleneck-top-encoder_top9-seed0"].trainable_parameters == 6_877_504
    assert found.assumed_data == sorted(PAPER_ROWS)
    assert found.protocol == "paper"
    assert not any(run.is_measured for run in found.runs)


def test_the_recipes_know_the_rows_of_fleurs() -> None:
    for name in ("paper", "paper-corrected"):
        grid = load_grid(recipe_path(name), [])
        assert {code: place.rows for code, place in grid.languages.items()} == PAPER_ROWS


@pytest.mark.parametrize("name", ["paper", "paper-corrected", "paper-base"])
def test_every_recipe_expands_to_runs_of_its_own(name: str) -> None:
    candidates = expand(load_grid(recipe_path(name), []))
    experiments = {each.experiment.name: each.experiment for each in candidates}
    settings = [each.model_copy(update={"name": "x"}) for each in experiments.values()]
    assert len({each.model_dump_json() for each in settings}) == len(experiments) > 50


@pytest.mark.usefixtures("steady")
def test_data_that_is_neither_there_nor_described_is_refused(make_grid: MakeGrid) -> None:
    with pytest.raises(ConfigError, match=r"state rows: \[train, validation, test\]"):
        dry_run(make_grid(languages={"sw": {"data": "nowhere"}}), lambda _: None)


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ({"kind": "reinit", "encoder_layers": 3}, "3 to re-initialize, but this Whisper has 2"),
        ({"kind": "lora", "rank": 33}, "33, but a matrix of this Whisper has at most rank 32"),
    ],
)
def test_a_strategy_that_does_not_fit_is_refused_before_anything_runs(
    make_grid: MakeGrid, tmp_path: Path, strategy: dict[str, Any], said: str
) -> None:
    strategies = {"full": {"strategy": {"kind": "full"}}, "other": {"strategy": strategy}}
    with pytest.raises(ConfigError, match=said):
        dry_run(make_grid(strategies=strategies), lambda _: None)
    with pytest.raises(ConfigError, match=said):
        compare(make_grid(strategies=strategies), tmp_path / "out", in_process, Quiet())
    assert not (tmp_path / "out").exists()


def leaky(folder: Path) -> Path:
    """A corpus whose training clips are called test clips."""
    clips = [replace(each, split="test") for each in read_manifest(save_corpus(folder))]
    write_manifest(folder / "manifest.jsonl", clips)
    return folder


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize(
    ("clips", "make_set", "halving", "said"),
    [
        ({"test": 0}, None, None, "sw: no utterance in split 'test'"),
        ({"validation": 0}, None, None, "sw, freeze: 2 combinations to choose from, but no valid"),
        ({}, leaky, None, "retention.other: 12 of 18 clips have audio that languages.sw.data"),
        ({}, partial(save_corpus, test=0), None, "other: no utterance in split 'test'"),
        ({}, None, {"first_epochs": 9}, "halving has no effect: .*first_epochs=9"),
    ],
)
def test_a_dry_run_refuses_what_the_comparison_refuses(
    make_grid: MakeGrid,
    tmp_path: Path,
    clips: dict[str, int],
    make_set: Callable[[Path], Path] | None,
    halving: dict[str, int] | None,
    said: str,
) -> None:
    languages = {"sw": {"data": str(save_corpus(tmp_path / "sw", **clips))}}
    others = {"other": {"data": str(make_set(tmp_path / "other"))}} if make_set else {}
    grid = make_grid(languages=languages, retention=others, halving=halving)
    with pytest.raises((ConfigError, DataError), match=said):
        dry_run(grid, lambda _: None)
    with pytest.raises((ConfigError, DataError), match=said):
        compare(grid, tmp_path / "out", in_process, Quiet())


@pytest.mark.usefixtures("steady")
def test_sets_that_are_not_there_are_named(make_grid: MakeGrid) -> None:
    """A language that is not there has its `rows` instead."""
    place = {"data": "nowhere", "rows": [12, 3, 3], "also": {"more": {"data": "nowhere"}}}
    grid = make_grid(languages={"sw": place}, retention={"en": {"data": "nowhere"}})
    found = dry_run(grid, lambda _: None)
    assert found.missing_sets == ["languages.sw.also.more.data", "retention.en.data"]
    said = printed(found)
    assert "needed before the comparison begins: languages.sw.also.more.data, retention.en" in said


@pytest.mark.usefixtures("steady")
def test_halving_shows_the_least_that_it_leaves(make_grid: MakeGrid) -> None:
    """The first of three values is never cut, nor is its other seed; two may end after an epoch,
    and their other seeds are then not begun. Runs of one epoch end before the first cut.
    """
    long, brief = ({"train.learning_rate": [x * 1e-3 for x in (1, 2, 3)]} for _ in range(2))
    strategies = {
        "full": {"strategy": {"kind": "full"}, "sweep": long},
        "short": {"strategy": {"kind": "bitfit"}, "train": {"epochs": 1}, "sweep": brief},
    }
    train = {"epochs": 4, "batch_size": 4, "precision": "fp32"}
    grid = make_grid(strategies=strategies, train=train, seeds=[0, 1], halving={})
    found = dry_run(grid, lambda _: None)
    a_run, short = found.runs[0].training_s, found.runs[-1].training_s
    assert [run.least_s for run in found.runs[2:6]] == pytest.approx([a_run / 4, 0] * 2)
    assert {run.least_s for run in [*found.runs[:2], *found.runs[6:]]} == {None}
    assert 3600 * found.least_hours == pytest.approx((2 + 2 / 4) * a_run + 6 * short)
    assert "and 10 runs or more are begun" in printed(found)
    without = dry_run(make_grid(strategies=strategies, train=train), lambda _: None)
    assert without.least_hours == pytest.approx(without.total_hours + without.validation_hours)
    assert "Halving" not in printed(without)


def test_an_unknown_recipe_is_refused_with_the_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="demo, paper, paper-base, paper-corrected"):
        recipe_path("papers")
    assert recipe_path(str(tmp_path / "mine.yaml")) == tmp_path / "mine.yaml"
