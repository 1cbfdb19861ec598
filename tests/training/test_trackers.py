"""Trackers hear what the run measures, and none of them can stop it."""

import inspect
import json
import sys
import threading
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker
from runs import Silent, save_base, save_corpus, tiny_experiment

from mothertongue.errors import ConfigError
from mothertongue.experiment import trackers
from mothertongue.experiment.run_dir import RunDir
from mothertongue.training import trackers as tracking
from mothertongue.training.run import run
from mothertongue.training.trackers import Trackers, flat


def measured(run_dir: RunDir, name: str) -> dict[int, float]:
    lines = [json.loads(line) for line in run_dir.metrics.read_text().splitlines()]
    return {each["step"]: each[name] for each in lines if name in each}


def test_tensorboard_has_what_the_run_has(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data")
    experiment = tiny_experiment(tmp_path, base, data, trackers=["tensorboard"], epochs=1)
    run_dir = RunDir(tmp_path / "run")
    run(experiment, run_dir, Silent())
    found = EventAccumulator(str(tmp_path / "run/tensorboard/mothertongue"))
    found.Reload()
    for name in ("loss", "grad_norm", "validation_wer"):
        told = {each.step: each.value for each in found.Scalars(name)}
        assert told == pytest.approx(measured(run_dir, name), rel=1e-6)


class Fake(GeneralTracker):
    """Remembers what it is told, or dies of it."""

    name, requires_logging_directory, main_process_only = "fake", False, True

    def __init__(self, *names: str, **options: Any) -> None:
        super().__init__()
        self.told: list[tuple[int, dict[str, float]]] = []
        self.settings: dict[str, Any] = {}

    @property
    def tracker(self) -> None:
        return None

    def start(self) -> None: ...

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self.settings = values

    def log(self, values: dict[str, float], step: int | None = None, **options: Any) -> None:
        assert step is not None
        self.told.append((step, values))

    def finish(self) -> None: ...


class Unreachable(Fake):
    def start(self) -> None:
        raise SystemExit("no network")


class Dying(Fake):
    def log(self, values: dict[str, float], step: int | None = None, **options: Any) -> None:
        super().log(values, step)
        if step == 2:
            raise ConnectionError("server gone")


class Hanging(Fake):
    def start(self) -> None:
        threading.Event().wait()


def installed(monkeypatch: pytest.MonkeyPatch, name: str, kind: type[Fake]) -> list[Fake]:
    """Let `kind` be the tracker of that name; returns those that were made."""
    made: list[Fake] = []

    def make(*args: Any, **options: Any) -> Fake:
        made.append(kind(*args, **options))
        return made[-1]

    module = ModuleType(name)
    module.__spec__ = json.__spec__
    monkeypatch.setitem(sys.modules, name, module)
    tracker = import_module(f"{trackers.__name__}.{name}")
    monkeypatch.setattr(tracker, "open_tracker", make)
    return made


@pytest.mark.parametrize("kind", [Unreachable, Dying, Hanging])
def test_a_dead_tracker_changes_nothing(
    kind: type[Fake], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "LAST_WORDS_S", 0.5)
    installed(monkeypatch, "wandb", kind)
    others = installed(monkeypatch, "mlflow", Fake)
    base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data")
    experiment = tiny_experiment(tmp_path, base, data, trackers=["wandb", "mlflow"], epochs=1)
    watcher = Silent()
    record = run(experiment, RunDir(tmp_path / "run"), watcher)
    assert record.steps == 6
    dead = [note for note in watcher.notes if note.startswith("wandb takes no more")]
    assert len(dead) == 1
    assert dead[0].endswith("the run goes on, see metrics.jsonl")
    (other,) = others
    assert other.settings["train.learning_rate"] == 1e-3
    assert {step: e["loss"] for step, e in other.told if "loss" in e} == measured(
        RunDir(tmp_path / "run"), "loss"
    )


def test_one_that_is_not_installed_is_said_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"wandb not installed; pip install wandb"):
        Trackers(["wandb"], tmp_path, {}, print)


def test_settings_are_flat_and_plain() -> None:
    nested = {"a": {"b": 1, "c": None}, "d": [1, 2], "e": "x"}
    assert flat(nested) == {"a.b": 1, "a.c": "None", "d": "[1, 2]", "e": "x"}


@pytest.mark.parametrize("name", trackers.tracker_names())
def test_each_tracker_is_opened_with_what_accelerate_takes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings reach accelerate's class; the library itself may be missing here."""
    cls = LOGGER_TYPE_TO_CLASS[name]
    seen: dict[str, Any] = {}

    def begin(self: Any, project: str, **options: Any) -> None:
        inspect.signature(real).bind(self, project, **options)
        seen.update(options, project=project)

    real = cls.__init__
    monkeypatch.setattr(cls, "__init__", begin)
    assert isinstance(trackers.open_tracker(name, tmp_path / "my-run"), cls)
    assert seen.pop("project") == "mothertongue"
    assert any("my-run" in str(value) for value in seen.values())


def test_a_tracker_is_one_new_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "more"
    home.mkdir()
    (home / "json.py").write_text(
        "from test_trackers_fake import FAKES\n"
        "def open_tracker(title, folder):\n"
        "    return FAKES[title]\n"
    )
    fake, module = Fake(), ModuleType("test_trackers_fake")
    module.FAKES = {"run": fake}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "test_trackers_fake", module)
    monkeypatch.setattr(trackers, "__path__", [*trackers.__path__, str(home)])
    monkeypatch.delitem(sys.modules, f"{trackers.__name__}.json", raising=False)
    base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data")
    experiment = tiny_experiment(tmp_path, base, data, trackers=["json"], epochs=1)
    run(experiment, RunDir(tmp_path / "run"), Silent())
    assert [step for step, values in fake.told if "loss" in values] == [1, 2, 3, 4, 5, 6]


def test_an_unknown_tracker_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no tracker 'tensorbord'.*mlflow, tensorboard, trackio"):
        tiny_experiment(tmp_path, tmp_path, tmp_path, trackers=["tensorbord"])
