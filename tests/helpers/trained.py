"""Train a run to its end, and name it by the digest of its weights."""

from collections.abc import Callable
from pathlib import Path

from runs import Silent

from mothertongue.experiment.config import Experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.system.files import sha256_file
from mothertongue.training.run import run

Make = Callable[..., Experiment]


def weights(folder: Path, name: str = "final") -> str:
    return sha256_file(folder / name / "trained.safetensors")


def trained(experiment: Experiment, folder: Path) -> str:
    run(experiment, RunDir(folder), Silent())
    return weights(folder)
