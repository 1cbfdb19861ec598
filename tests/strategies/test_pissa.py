"""A run with PiSSA is the same model where another machine decomposes the base otherwise."""

from pathlib import Path
from typing import Any

import pytest
import torch
from runs import After, Silent, save_base, save_corpus, tiny_experiment
from torch import Tensor

from mothertongue.errors import DataError, Preempted
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.load import load_run
from mothertongue.experiment.run_dir import RunDir
from mothertongue.training.run import run

PISSA = {"kind": "lora", "rank": 2, "alpha": 4, "variant": "pissa"}
# Training repeats what rounding differs by: the base's weights are about 0.02, learning moves 1e-3.
TOLERANCE = 1e-5


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data")
    return tiny_experiment(tmp_path, base, data, strategy=PISSA)


def decompose_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on singular values come smallest first: PiSSA takes another part of each matrix."""
    svd = torch.linalg.svd

    def smallest_first(matrix: Tensor, **options: Any) -> tuple[Tensor, Tensor, Tensor]:
        u, s, vh = svd(matrix, **options)
        return u.flip(1), s.flip(0), vh.flip(0)

    monkeypatch.setattr(torch.linalg, "svd", smallest_first)


def weights(path: Path) -> dict[str, Tensor]:
    return dict(load_run(path, "final").base.model.state_dict())


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=TOLERANCE)


def test_it_loads_and_continues_as_it_began(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = RunDir(tmp_path / "whole"), RunDir(tmp_path / "stopped")
    run(experiment, whole, Silent())
    with pytest.raises(Preempted):
        run(experiment, stopped, After(5))
    expected = weights(whole.path)
    decompose_otherwise(monkeypatch)
    assert_same(weights(whole.path), expected)
    run(experiment, stopped, Silent())
    assert_same(weights(stopped.path), expected)


def test_on_the_same_machine_it_continues_with_the_same_bits(
    experiment: Experiment, tmp_path: Path
) -> None:
    whole, stopped = RunDir(tmp_path / "whole"), RunDir(tmp_path / "stopped")
    run(experiment, whole, Silent())
    with pytest.raises(Preempted):
        run(experiment, stopped, After(5))
    run(experiment, stopped, Silent())
    ours, expected = weights(stopped.path), weights(whole.path)
    assert all(torch.equal(ours[name], value) for name, value in expected.items())


def test_a_damaged_start_is_refused(experiment: Experiment, tmp_path: Path) -> None:
    there = RunDir(tmp_path / "run")
    run(experiment, there, Silent())
    file = next(there.start.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match="start"):
        load_run(there.path)
