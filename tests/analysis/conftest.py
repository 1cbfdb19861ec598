"""Tiny runs that were really trained, made once: two seeds of freeze, and one with adapters."""

from pathlib import Path

import pytest
from runs import Silent, save_base, save_corpus, tiny_experiment

from mothertongue.experiment.run_dir import RunDir
from mothertongue.training.run import run

FREEZE = {"kind": "freeze", "encoder_layers": 1}


def make_run(folder: Path, name: str, **changes: object) -> Path:
    """A run of one epoch below folder/runs, on the base and the data that are in the folder."""
    (folder / "yaml").mkdir(exist_ok=True)
    experiment = tiny_experiment(
        folder / "yaml",
        folder / "base",
        folder / "data",
        epochs=1,
        eval_every_steps=None,
        **changes,
    )
    run(experiment, RunDir(folder / "runs" / name), Silent())
    return folder / "runs" / name


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with base, data (6 clips in the test split) and runs/."""
    folder = tmp_path_factory.mktemp("analysis")
    save_base(folder / "base")
    save_corpus(folder / "data", test=6)
    make_run(folder, "freeze-seed0", strategy=FREEZE)
    make_run(folder, "freeze-seed1", strategy=FREEZE, seed=1)
    top = {"kind": "lora", "rank": 2, "encoder_top": 1, "dropout": 0.3}
    make_run(folder, "lora", strategy=top, learning_rate=0.05)
    return folder
