"""Test that settings left open get values, and that a run keeps the values it began with."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from grids import Quiet, in_process
from runs import After, Silent, save_base, save_corpus, write_experiment

from mothertongue import strategies
from mothertongue.comparison.compare import compare
from mothertongue.comparison.grid import expand, load_grid
from mothertongue.config import members, parse
from mothertongue.errors import ConfigError, Preempted
from mothertongue.experiment import defaults
from mothertongue.experiment.config import Experiment, load_experiment, read_experiment
from mothertongue.experiment.defaults import TrainingClips, is_open, settled_for, usual_epochs
from mothertongue.experiment.records import RunRecord
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.train_config import BatchSize
from mothertongue.model.precision import Choice, Speeds, faster
from mothertongue.model.sizes import SHAPES, openai_config
from mothertongue.recipes import recipe_path
from mothertongue.strategies.base import Strategy
from mothertongue.strategies.learning_rates import RATES
from mothertongue.training import precision
from mothertongue.training.run import run

ROOT = Path(__file__).parents[2]
OPEN = {"epochs": None, "learning_rate": None, "patience": None}
KINDS = {cls.model_fields["kind"].default: cls for cls in members(Strategy, strategies)}
LITERAL = {
    "tiny": (1e-4, 1e-3, 1e-3),
    "base": (1e-4, 1e-3, 1e-3),
    "small": (5e-5, 5e-4, 5e-4),
    "medium": (2e-5, 3e-4, 3e-4),
    "large": (1e-5, 2e-4, 3e-4),
    "large-v2": (1e-5, 2e-4, 3e-4),
    "large-v3": (1e-5, 2e-4, 3e-4),
    "large-v3-turbo": (1e-5, 2e-4, 3e-4),
}
COLUMNS = {
    "full": 0, "freeze": 0, "reinit": 0, "lora": 1, "bottleneck": 2, "bitfit": 2,
}  # fmt: skip


def rate_of(kind: str, size: str, **train: Any) -> float | None:
    """Return the learning rate of an experiment that states only the settings in `train`."""
    strategy = {"kind": kind} | KINDS[kind].examples[0]
    data = {"name": "x", "language": "sw", "data": "d", "strategy": strategy, "train": train}
    config = openai_config(size)
    assert config is not None
    clips = TrainingClips(1000, 7000.0)
    return settled_for(parse(Experiment, data, "x"), clips, config).train.learning_rate


@pytest.mark.parametrize("size", sorted(LITERAL))
@pytest.mark.parametrize("kind", sorted(COLUMNS))
def test_the_learning_rate_of_each_size_and_strategy(kind: str, size: str) -> None:
    assert rate_of(kind, size) == LITERAL[size][COLUMNS[kind]]


def test_every_strategy_and_size_is_in_the_table() -> None:
    assert set(COLUMNS) == set(KINDS)
    assert set(LITERAL) == set(SHAPES)
    for kind, strategy in KINDS.items():
        for size, (width, *_) in SHAPES.items():
            row = next(row for row in RATES if width <= row.width)
            assert rate_of(kind, size) == getattr(row, strategy.tuned)
            assert size.split("-")[0] in row.sizes


def test_a_rate_that_is_given_wins() -> None:
    assert rate_of("full", "base", learning_rate=3e-6) == 3e-6


@pytest.mark.parametrize(
    ("hours", "clips", "size", "epochs"),
    [
        (0.01, 5, BatchSize(8), 30),  # one step in each epoch
        (0.5, 257, BatchSize(8), 30),
        (2, 1029, BatchSize(8), 15),
        (2, 480, BatchSize(8), 15),  # clips of 15 s: 60 steps in each epoch, 900 in all
        (2, 240, BatchSize(8), 27),  # clips of 30 s: 30 steps in each epoch
        (2, 1029, BatchSize(64), 30),  # 17 steps in each epoch
        (2, 1029, BatchSize(8, seconds=240.0), 27),  # 30 steps in each epoch
        (7.03, 3600, BatchSize(8), 8),
        (20, 10_286, BatchSize(8), 8),
        (0, 0, BatchSize(8), 30),
    ],
)
def test_epochs_by_hours_and_steps(hours: float, clips: int, size: BatchSize, epochs: int) -> None:
    assert usual_epochs(TrainingClips(clips, 3600 * hours), size) == epochs


def test_patience_goes_with_epochs() -> None:
    """An experiment that states its epochs and no patience trains all of them, as before."""
    found = []
    for train in ({}, {"epochs": 3}, {"patience": 2}, {"epochs": 3, "patience": 2}):
        data = {"name": "x", "language": "sw", "data": "d", "strategy": {"kind": "full"}}
        config = openai_config("base")
        assert config is not None
        experiment = parse(Experiment, data | {"train": train}, "x")
        settled = settled_for(experiment, TrainingClips(1029, 7200.0), config).train
        found.append((settled.epochs, settled.patience))
    assert found == [(15, 5), (3, None), (15, 2), (3, 2)]


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    data = save_corpus(tmp_path / "data", train=4, validation=1, test=1)
    return save_base(tmp_path / "base"), data


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the defaults to two epochs."""
    monkeypatch.setattr(defaults, "MOST_EPOCHS", 2)


@pytest.mark.usefixtures("short")
def test_the_record_has_values_and_a_run_that_states_them_ends_with_the_same_bits(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    record = run(
        load_experiment(write_experiment(tmp_path, *made, **OPEN)), RunDir(tmp_path / "a"), Silent()
    )
    values = {"epochs": 2, "learning_rate": 1e-3 / 10, "patience": 5}
    assert {key: record.experiment.train.model_dump()[key] for key in values} == values
    written = yaml.safe_load((tmp_path / "a/experiment.yaml").read_text())["train"]
    assert {key: written[key] for key in values} == values
    stated = load_experiment(write_experiment(tmp_path, *made, **values))
    run(stated, RunDir(tmp_path / "b"), Silent())
    weights = "final/trained.safetensors"
    assert (tmp_path / "a" / weights).read_bytes() == (tmp_path / "b" / weights).read_bytes()


@pytest.mark.usefixtures("short")
def test_a_run_goes_on_with_the_defaults_that_it_began_with(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = load_experiment(write_experiment(tmp_path, *made, **OPEN))
    with pytest.raises(Preempted):
        run(experiment, RunDir(tmp_path / "a"), After(2))
    before = read_experiment(RunDir(tmp_path / "a"))
    monkeypatch.setattr(defaults, "MOST_EPOCHS", 3)
    monkeypatch.setattr(defaults, "PATIENCE", 9)
    monkeypatch.setattr(defaults, "usual_rate", lambda *_: 0.5)
    record = run(experiment, RunDir(tmp_path / "a"), Silent())
    assert record.experiment.model_dump() == before.model_dump(mode="json")
    assert record.steps == 4
    watcher = Silent()
    assert run(experiment, RunDir(tmp_path / "a"), watcher) == record
    assert watcher.notes[0].endswith("is complete; nothing to do")


@pytest.mark.usefixtures("short")
def test_a_run_goes_on_in_the_precision_that_it_began_with(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, whatever another machine would take."""
    speeds = {"bf16": Speeds(2.0, 1.0), "fp32": Speeds(1.0, 2.0)}

    def begin(out: str, here: str, watcher: Silent) -> RunRecord:
        experiment = load_experiment(write_experiment(tmp_path, *made, precision="auto"))
        monkeypatch.setattr(precision, "choose", lambda *_: faster(speeds[here]))
        return run(experiment, RunDir(tmp_path / out), watcher)

    whole = begin("a", "bf16", told := Silent())
    assert any("train.precision: bf16, the faster one here" in each for each in told.notes)
    assert whole.experiment.train.precision == "bf16"
    assert whole.precision_s == {"fp32_s": 2.0, "bf16_s": 1.0}
    with pytest.raises(Preempted):
        begin("b", "bf16", After(2))
    resumed = begin("b", "fp32", Silent())
    weights = "final/trained.safetensors"
    assert (tmp_path / "a" / weights).read_bytes() == (tmp_path / "b" / weights).read_bytes()
    assert resumed.precision_s == whole.precision_s
    assert begin("c", "fp32", Silent()).experiment.train.precision == "fp32"
    assert (tmp_path / "a" / weights).read_bytes() != (tmp_path / "c" / weights).read_bytes()
    stated = load_experiment(write_experiment(tmp_path, *made, precision="fp32"))
    assert run(stated, RunDir(tmp_path / "d"), Silent()).precision_s is None
    with pytest.raises(ConfigError, match=r"train\.precision: was 'bf16', now 'fp32'"):
        run(stated, RunDir(tmp_path / "a"), Silent())


@pytest.mark.usefixtures("short")
def test_new_runs_of_a_comparison_take_the_precision_of_those_that_are_there(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, data = made
    grid: dict[str, Any] = {
        "name": "g",
        "base": str(base),
        "languages": {"sw": {"data": str(data)}},
        "strategies": {"full": {"strategy": {"kind": "full"}}},
    }
    path = tmp_path / "grid.yaml"
    for seeds, here in (([0], "bf16"), ([0, 1], "fp32")):
        path.write_text(yaml.safe_dump(grid | {"seeds": seeds}))
        monkeypatch.setattr(precision, "choose", lambda *_, here=here: Choice(here))
        compare(load_grid(path), tmp_path / "out", in_process, Quiet())
    for seed in (0, 1):
        recorded = read_experiment(RunDir(tmp_path / f"out/runs/sw-full-seed{seed}"))
        assert recorded.train.precision == "bf16"


@pytest.mark.usefixtures("short")
def test_a_comparison_keeps_the_defaults_that_its_runs_began_with(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, data = made
    grid = {
        "name": "g",
        "base": str(base),
        "languages": {"sw": {"data": str(data)}},
        "train": {"precision": "fp32"},
        "strategies": {"full": {"strategy": {"kind": "full"}}},
    }
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(grid))
    compare(load_grid(path), tmp_path / "out", in_process, Quiet())
    train = read_experiment(RunDir(tmp_path / "out/runs/sw-full-seed0")).train
    assert (train.epochs, train.learning_rate, train.patience) == (2, 1e-4, 5)
    monkeypatch.setattr(defaults, "MOST_EPOCHS", 3)
    again = Quiet()
    compare(load_grid(path), tmp_path / "out", in_process, again)
    assert again.done == []


@pytest.mark.parametrize("name", ["paper", "paper-base", "paper-corrected"])
def test_no_default_is_in_the_papers_recipes(name: str) -> None:
    found = [each.experiment.train for each in expand(load_grid(recipe_path(name)))]
    assert not any(map(is_open, found))
    if name == "paper":  # its section 4.2
        values = {(each.epochs, each.patience, each.learning_rate) for each in found}
        assert values == {(35, None, 1e-5), (35, None, 3e-4)}


def test_no_default_is_in_the_experiments_behind_figures() -> None:
    for path in sorted((ROOT / "docs/experiments").glob("*.yaml")):
        is_grid = "strategies" in yaml.safe_load(path.read_text())
        found = expand(load_grid(path)) if is_grid else [load_experiment(path)]
        trains = [getattr(each, "experiment", each).train for each in found]
        assert not any(map(is_open, trains)), path
