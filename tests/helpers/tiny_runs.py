"""Tiny runs of each kind, with Whisper's own vocabulary, trained to differ from their base."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import warm
from runs import Silent, save_corpus, tiny_experiment
from shared import once

from mothertongue.experiment.run_dir import RunDir
from mothertongue.export import export as exporting
from mothertongue.export.records import EngineReply
from mothertongue.export.verify import VerificationRequest
from mothertongue.system.json_files import built, to_json
from mothertongue.system.processes import answered
from mothertongue.training.run import run

STRATEGIES: dict[str, tuple[dict[str, Any], float]] = {
    "full": ({"kind": "full"}, 1e-4),
    "lora": ({"kind": "lora", "rank": 4, "alpha": 8}, 0.02),
    "bottleneck": ({"kind": "bottleneck", "dim": 8}, 0.02),
}
"""And the learning rate of each: it must change what is written, and leave something."""

Exports = Callable[..., Path]


@pytest.fixture(scope="session")
def tiny_runs(
    transformers_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """A finished run of each strategy, by its kind. Shared: a test that changes one copies it."""

    def make(folder: Path) -> None:
        corpus = save_corpus(folder / "data", validation=4)
        for kind, (strategy, rate) in STRATEGIES.items():
            (folder / kind).mkdir()
            changes = {"strategy": strategy, "epochs": 1, "learning_rate": rate}
            experiment = tiny_experiment(folder / kind, transformers_folder, corpus, **changes)
            run(experiment, RunDir(folder / kind / "run"), Silent())

    folder = once(tmp_path_factory, "runs", make)
    return {kind: folder / kind / "run" for kind in STRATEGIES}


def in_a_warm_process(request: VerificationRequest) -> EngineReply:
    """Transcribe as `export` does, in a process that need not import torch first."""
    done = warm.run("mothertongue.export.verify", text=request.model_dump_json())
    assert done.returncode == 0, done.stderr
    return built(answered(done.stdout), "the reply", EngineReply)


@pytest.fixture
def warm_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports are verified in warm processes."""
    monkeypatch.setattr(exporting, "_in_a_process", in_a_warm_process)


@pytest.fixture(scope="session")
def exports(tiny_runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """Return a function of a kind of run, a format and a type: the folder of its export.

    Shared, and verified on four clips, whose errors may be any: verification.json has them.
    """

    def folder_of(kind: str, format_: str, type_: str | None = None) -> Path:
        def make(folder: Path) -> None:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(exporting, "_in_a_process", in_a_warm_process)
                asked = tiny_runs[kind], format_, type_, folder / "out", "validation", 4, 1e3
                result = exporting.export(*asked)
            assert json.loads((folder / "out/verification.json").read_text()) == to_json(result)

        return once(tmp_path_factory, f"{kind}-{format_}-{type_}", make) / "out"

    return folder_of
