"""Test recipes for training: recipe < file < command line, and values in the record."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from runs import save_base, save_corpus

import mothertongue as mt
from mothertongue.config import merged
from mothertongue.errors import ConfigError
from mothertongue.experiment import defaults
from mothertongue.experiment.config import load_experiment
from mothertongue.inference.evaluate_run import own_decoding
from mothertongue.recipes import TRAINING, recipe_path, training_recipe

EXPERIMENT = {"name": "x", "language": "sw", "data": "d", "strategy": {"kind": "full"}}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "x.yaml"
    path.write_text(yaml.safe_dump(EXPERIMENT | changes))
    return path


def test_a_file_changes_a_recipe_and_the_command_line_changes_both(tmp_path: Path) -> None:
    path = write(tmp_path, train={"patience": 3, "epochs": 4, "seed": 7})
    found = load_experiment(path, ["train.epochs=2", "train.weight_decay=0.5"], "plain").train
    assert (found.learning_rate, found.warmup_ratio) == (1e-5, 0.1)  # the recipe's
    assert (found.patience, found.seed) == (3, 7)  # the file's
    assert (found.epochs, found.weight_decay) == (2, 0.5)  # the command line's


def test_a_file_takes_a_recipes_value_back(tmp_path: Path) -> None:
    path = write(tmp_path, train={"learning_rate": None})
    assert load_experiment(path, recipe="plain").train.learning_rate is None


def test_mappings_are_merged_key_by_key_and_nothing_else() -> None:
    below = {"a": {"x": 1, "y": [1, 2]}, "b": {"z": 1}, "c": 3}
    above = {"a": {"y": [3]}, "b": None, "d": {"w": 4}}
    expected = {"a": {"x": 1, "y": [3]}, "b": None, "c": 3, "d": {"w": 4}}
    assert merged(below, above) == expected
    assert below == {"a": {"x": 1, "y": [1, 2]}, "b": {"z": 1}, "c": 3}


def test_plain_is_the_usual_guide_and_quality_leaves_the_rate_to_the_base(tmp_path: Path) -> None:
    plain, quality = (load_experiment(write(tmp_path), recipe=name) for name in TRAINING)
    assert (plain.train.learning_rate, plain.evaluate.beam_size) == (1e-5, 1)
    assert (quality.train.learning_rate, quality.evaluate.beam_size) == (None, 5)
    assert plain.train.epochs is quality.train.epochs is None
    assert plain.train.patience == quality.train.patience == 5


def test_a_recipe_that_is_none_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"recipe 'paper': expected one of plain, quality"):
        load_experiment(write(tmp_path), recipe="paper")
    with pytest.raises(ConfigError, match=r"expected one of plain, quality"):
        mt.train(EXPERIMENT, recipe="../x")


def test_recipes_of_training_are_no_grids() -> None:
    assert training_recipe("plain").is_file()
    with pytest.raises(ConfigError, match=r"one of demo, paper, paper-base, paper-corrected$"):
        recipe_path("quality")


def test_a_run_records_what_its_recipe_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(defaults, "MOST_EPOCHS", 1)
    data = save_corpus(tmp_path / "d", train=4, validation=1, test=1)
    settings = EXPERIMENT | {"base": str(save_base(tmp_path / "base")), "data": str(data)}
    record = mt.train(settings, recipe="quality", notify=lambda _: None)
    found = record["experiment"]
    assert found["evaluate"]["beam_size"] == 5
    rate, epochs = found["train"]["learning_rate"], found["train"]["epochs"]
    assert (rate, epochs, found["train"]["patience"]) == (1e-4, 1, 5)
    assert set(found["train"]["augment"].values()) == {None}
    assert yaml.safe_load(Path("runs/x/experiment.yaml").read_text()) == found
    assert own_decoding("runs/x").beam_size == 5
    assert mt.evaluate("runs/x")["decoding"]["beam_size"] == 5
    assert mt.evaluate("runs/x", beam_size=1)["decoding"]["beam_size"] == 1
    assert own_decoding(settings["base"]).beam_size == 1
    with pytest.raises(ConfigError, match=r"evaluate.beam_size: was 5, now 1"):
        mt.train(settings, notify=lambda _: None)
    assert mt.train(settings, recipe="quality", notify=lambda _: None) == record
    assert json.loads(Path("runs/x/record.json").read_text())["experiment"] == found
