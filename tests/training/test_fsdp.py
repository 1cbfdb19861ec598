"""What trains, spread over the devices: who keeps what, and that a run may change how."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
import torch
import torch.distributed
from ranks_harness import launched
from runs import PATIENCE_S, Silent, byte_tokens, save_base, save_corpus, write_experiment
from safetensors.torch import load_file
from tiny import tiny_model
from torch.distributed.tensor import DTensor
from torch.testing._internal.distributed.fake_pg import FakeStore

from mothertongue.errors import ConfigError
from mothertongue.experiment.config import load_experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.strategies.base import trained_parameters
from mothertongue.strategies.freeze import Freeze
from mothertongue.training import fsdp as sharding
from mothertongue.training.distributed import Ranks
from mothertongue.training.loss import LabelLoss
from mothertongue.training.run import run

RANKS = 2


@pytest.fixture
def first_of_two() -> Iterator[None]:
    """This process as rank 0 of two, of which the other does not exist."""
    torch.distributed.init_process_group("fake", rank=0, world_size=RANKS, store=FakeStore())
    yield
    torch.distributed.destroy_process_group()


def test_each_rank_keeps_its_part_of_what_trains_and_all_that_is_frozen(first_of_two: None) -> None:
    model = Freeze(encoder_layers=1).apply(tiny_model(byte_tokens()), seed=0)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    trained = sharding.shared_memory_copy(model)
    sharding.shard(LabelLoss(trained), trained, 3, RANKS)
    sharding.release_parameters(model)
    shards = trained_parameters(trained)
    assert list(shards) == list(trained_parameters(model))
    for name, value in shards.items():
        assert isinstance(value.data, DTensor)
        mine = value.data.to_local()
        assert mine.untyped_storage().nbytes() == pytest.approx(value.nbytes / RANKS, abs=4 * 384)
        torch.testing.assert_close(mine, before[name][: len(mine)], rtol=0, atol=0)
    for (name, kept), (_, ours) in zip(
        trained.named_parameters(), model.named_parameters(), strict=True
    ):
        if not kept.requires_grad:
            assert kept is ours
            torch.testing.assert_close(kept.data, before[name], rtol=0, atol=0)
        else:
            assert ours.untyped_storage().nbytes() == ours.itemsize
            assert ours.shape == before[name].shape
            assert ours.isnan().all()


@pytest.mark.slow
def test_a_run_changes_its_devices_and_its_stage_on_the_way(tmp_path: Path) -> None:
    base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data", train=13)
    for name in ("alone", "two"):
        (tmp_path / name).mkdir()
    path = write_experiment(tmp_path / "alone", base, data, validation_clips=2)
    sharded = write_experiment(tmp_path / "two", base, data, validation_clips=2, zero=3)
    whole, moved = RunDir(tmp_path / "whole"), RunDir(tmp_path / "moved")
    silent = Silent()
    run(load_experiment(path), whole, silent)
    for experiment, step in ((sharded, 4), (path, 7)):  # checkpoints are after 3 and 6
        kill = {"rank": 1, "step": step}
        launched(
            2, [{"experiment": str(experiment), "run": str(moved.path), "kill": kill}], tmp_path
        )
    assert not moved.is_done
    rest = Silent()
    record = run(load_experiment(sharded), moved, rest)
    assert rest.began_at == 6
    assert "train.zero=3 has no effect on one device" in rest.notes
    assert rest.losses == pytest.approx(silent.losses[6:], rel=1e-4)
    before = json.loads(whole.record.read_text())
    assert record.best_validation_wer == before["best_validation_wer"]
    for folder in ("best", "final"):
        ours, theirs = (
            load_file(each.path / folder / "trained.safetensors") for each in (moved, whole)
        )
        assert list(ours) == list(theirs)
        for name, value in ours.items():
            torch.testing.assert_close(value, theirs[name], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_accelerate_starts_the_processes(tmp_path: Path) -> None:
    base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data")
    path = write_experiment(tmp_path, base, data, epochs=1, zero=2)
    settings = resources.files("mothertongue") / "recipes/cluster/accelerate-ddp.yaml"
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(settings)]
    command += ["--num_processes", "2", "-m", "mothertongue", "train", str(path)]
    command += ["--out", str(tmp_path / "run"), "--json", "-"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["devices"] == 2


@pytest.mark.parametrize("name", ["FSDP", "DEEPSPEED"])
def test_sharding_by_accelerate_is_refused_with_what_does_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ACCELERATE_USE_{name}", "true")
    with pytest.raises(ConfigError, match=rf"use_{name.lower()}.* train\.zero=3"):
        Ranks()
