"""Tiny runs of each kind, with Whisper's own vocabulary, trained to differ from their base."""

from pathlib import Path
from typing import Any

import pytest
from runs import Silent, save_corpus, tiny_experiment

from mothertongue.experiment.run_dir import RunDir
from mothertongue.training.run import run

STRATEGIES: dict[str, tuple[dict[str, Any], float]] = {
    "full": ({"kind": "full"}, 1e-4),
    "lora": ({"kind": "lora", "rank": 4, "alpha": 8}, 0.02),
    "bottleneck": ({"kind": "bottleneck", "dim": 8}, 0.02),
}
"""And the learning rate of each: it must change what is written, and leave something."""


@pytest.fixture(scope="session")
def tiny_runs(
    transformers_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A finished run of each strategy, by its kind. Shared: a test that changes one copies it."""
    folder = tmp_path_factory.mktemp("exporters")
    corpus = save_corpus(folder / "data", validation=4)
    found = {}
    for kind, (strategy, rate) in STRATEGIES.items():
        home = folder / kind
        home.mkdir()
        changes = {"strategy": strategy, "epochs": 1, "learning_rate": rate}
        experiment = tiny_experiment(home, transformers_folder, corpus, **changes)
        found[kind] = home / "run"
        run(experiment, RunDir(found[kind]), Silent())
    return found
