"""Make a base, a corpus, experiments on them, and a run."""

from pathlib import Path

import pytest
from runs import Silent, save_base, save_corpus, tiny_experiment
from trained import Make

from mothertongue.experiment.run_dir import RunDir
from mothertongue.training.run import run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("training")
    return save_base(folder / "base"), save_corpus(folder / "data")


@pytest.fixture
def make(made: tuple[Path, Path], tmp_path: Path) -> Make:
    """Return a function that makes an experiment from its changes."""
    return lambda **changes: tiny_experiment(tmp_path, *made, **changes)


@pytest.fixture(scope="module")
def whole(made: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the experiment that nothing stopped. Shared: a test that changes it copies it."""
    folder = tmp_path_factory.mktemp("whole")
    run(tiny_experiment(folder, *made), RunDir(folder / "run"), Silent())
    return folder / "run"
