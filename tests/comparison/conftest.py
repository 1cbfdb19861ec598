"""A tiny grid: two languages' worth of tones, four strategies, in this very process."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from grids import MakeGrid
from runs import save_base, save_corpus

from mothertongue.comparison.grid import Grid, load_grid


@pytest.fixture(scope="session")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("comparison")
    return {
        "base": save_base(folder / "base"),
        "sw": save_corpus(folder / "sw"),
        "fr": save_corpus(folder / "fr", train=8),
        "en": save_corpus(folder / "en", train=1, validation=1, test=4),
    }


@pytest.fixture
def make_grid(corpora: dict[str, Path], tmp_path: Path) -> MakeGrid:
    def make(**changes: Any) -> Grid:
        grid: dict[str, Any] = {
            "name": "tiny",
            "base": str(corpora["base"]),
            "languages": {
                "sw": {
                    "data": str(corpora["sw"]),
                    "also": {"other": {"data": str(corpora["fr"]), "split": "validation"}},
                }
            },
            "average": None,
            "retention": {"en": {"data": str(corpora["en"])}},
            "train": {"epochs": 1, "batch_size": 4, "precision": "fp32", "learning_rate": 1e-3},
            "strategies": {
                "full": {"strategy": {"kind": "full"}},
                "freeze": {
                    "strategy": {"kind": "freeze"},
                    "sweep": {"strategy.encoder_layers": [1, 2]},
                },
            },
        }
        path = tmp_path / "grid.yaml"
        path.write_text(yaml.safe_dump(grid | changes, sort_keys=False), encoding="utf-8")
        return load_grid(path, [])

    return make
