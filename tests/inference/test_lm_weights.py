"""Test the weights of a language model: each model has its own."""

import shutil
from pathlib import Path

import pytest
from runs import byte_tokens

from mothertongue.decoding.lm.folder import WEIGHTS, build
from mothertongue.errors import ConfigError, DataError
from mothertongue.inference.lm_weights import remember_weight, weight_for


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("habari ya asubuhi\n")
    build([tmp_path / "text.txt"], [], byte_tokens(), 2, tmp_path / "lm")
    return tmp_path / "lm"


def test_each_model_has_its_own_weight(folder: Path, tmp_path: Path) -> None:
    export = tmp_path / "export"
    export.mkdir()
    with pytest.raises(ConfigError, match="give --lm-weight"):
        weight_for(folder, str(export))
    remember_weight(folder, str(export), 0.3)
    remember_weight(folder, "openai/whisper-base", 0.1)
    assert weight_for(folder, f"{export}/../export") == 0.3
    assert weight_for(folder, "openai/whisper-base") == 0.1
    for damaged in ("[", '{"a": NaN}', '{"a": 99}', '{"a": "much"}'):
        (folder / WEIGHTS).write_text(damaged)
        with pytest.raises(DataError, match=r"weights\.json: damaged"):
            weight_for(folder, str(export))


def test_the_weight_of_a_run_goes_with_it_and_not_with_its_place(
    folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "runs/mine"
    run.mkdir(parents=True)
    (run / "experiment.yaml").write_text("name: mine\n")
    (run / "identity.json").write_text("{}")
    remember_weight(folder, str(run), 0.3)
    moved = shutil.move(run, tmp_path / "moved")
    assert weight_for(folder, str(moved)) == 0.3
    shutil.copytree(moved, run)
    (run / "identity.json").write_text('{"manifest_sha256": "other data"}')
    with pytest.raises(ConfigError, match="was not chosen"):
        weight_for(folder, str(run))
