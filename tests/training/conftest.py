"""Make a base, a corpus, and experiments on them."""

from pathlib import Path

import pytest
from runs import save_base, save_corpus, tiny_experiment
from trained import Make


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("training")
    return save_base(folder / "base"), save_corpus(folder / "data")


@pytest.fixture
def make(made: tuple[Path, Path], tmp_path: Path) -> Make:
    """Return a function that makes an experiment from its changes."""
    return lambda **changes: tiny_experiment(tmp_path, *made, **changes)
