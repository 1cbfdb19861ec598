"""The loop: what it computes, what it keeps, and how it ends."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from disks import leave_free, no_file_above
from runs import (
    After,
    Silent,
    byte_tokens,
    save_base,
    save_corpus,
    tiny_experiment,
    validation,
)
from safetensors import SafetensorError
from tiny import noise, tiny_model
from torch.utils.data import _utils

from mothertongue.data.manifest import read_data, read_manifest, write_manifest
from mothertongue.errors import (
    ConfigError,
    DataError,
    DiskFull,
    Interrupted,
    MothertongueError,
    Preempted,
)
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.load import load_run
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.train_config import TrainConfig, learning_rate
from mothertongue.strategies.base import trained_parameters
from mothertongue.strategies.full import Full
from mothertongue.system.files import sha256_file, write_json
from mothertongue.training import dataset, loop
from mothertongue.training.batch import collate
from mothertongue.training.dataset import StepDataset
from mothertongue.training.loop import deterministic
from mothertongue.training.loss import LabelLoss
from mothertongue.training.run import run
from mothertongue.training.validator import SplitValidator


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("training")
    return save_base(folder / "base"), save_corpus(folder / "data")


Make = Callable[..., Experiment]


@pytest.fixture
def make(made: tuple[Path, Path], tmp_path: Path) -> Make:
    return lambda **changes: tiny_experiment(tmp_path, *made, **changes)


def weights(folder: Path, name: str = "final") -> str:
    return sha256_file(folder / name / "trained.safetensors")


def trained(experiment: Experiment, folder: Path) -> str:
    run(experiment, RunDir(folder), Silent())
    return weights(folder)


def test_it_learns_and_leaves_a_whole_run(make: Make, tmp_path: Path) -> None:
    watcher = Silent()
    record = run(make(epochs=4, context="full"), RunDir(tmp_path / "run"), watcher)
    assert sum(watcher.losses[-6:]) < 0.9 * sum(watcher.losses[:6])
    assert record["steps"] == len(watcher.losses) == 24
    assert record["best_validation_wer"] == min(watcher.wers)
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {
        *("best", "checkpoints", "data.jsonl", "experiment.yaml", "final", "identity.json"),
        *("metrics.jsonl", "record.json", "state.json"),
    }
    kept = sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir())
    assert kept == ["step-0000021", "step-0000024"]


def test_the_same_seed_gives_the_same_weights_whatever_the_number_of_workers(
    make: Make, tmp_path: Path
) -> None:
    digests = {trained(make(epochs=1, workers=n), tmp_path / f"{n}") for n in (0, 1, 2)}
    assert len(digests) == 1
    assert trained(make(epochs=1, seed=1), tmp_path / "other") not in digests


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2, signal.SIGINT])
def test_a_stopped_run_continues_to_the_same_weights(
    make: Make, tmp_path: Path, number: int
) -> None:
    whole = trained(make(), tmp_path / "whole")
    kind, code = (Interrupted, 130) if number == signal.SIGINT else (Preempted, 75)
    stopped = RunDir(tmp_path / "stopped")
    with pytest.raises(kind, match=r"after step 5 of 12.*same command again") as raised:
        run(make(), stopped, After(5, number))
    assert raised.value.exit_code == code
    watcher = Silent()
    run(make(), stopped, watcher)
    assert watcher.began_at == 5
    assert weights(stopped.path) == whole
    assert stopped.metrics.read_text() == (tmp_path / "whole/metrics.jsonl").read_text()


def test_a_run_that_was_stopped_is_free_while_its_workers_still_end(
    make: Make, tmp_path: Path
) -> None:
    """They are forks: what the run has open is open in them too."""
    with pytest.raises(Preempted) as raised:
        run(make(workers=2), RunDir(tmp_path / "run"), After(2))
    assert multiprocessing.active_children(), raised  # whose trace keeps the loader alive
    with RunDir(tmp_path / "run").locked():
        pass


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "is killed by signal: Killed"),
        (threading.Event().wait, "timed out after 0.5 seconds"),
    ],
    ids=["killed", "hanging"],
)
def test_a_lost_worker_is_one_message_and_the_run_goes_on(
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[], None],
    said: str,
) -> None:
    load = StepDataset.__getitem__

    def lost(self: StepDataset, step: int) -> Any:
        if step == 4:
            end()
        return load(self, step)

    settings, run_dir = make(epochs=1, workers=1, validation_clips=1), RunDir(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(StepDataset, "__getitem__", lost)
        patch.setattr(dataset, "PATIENCE_S", 0.5)
        patch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 0.1)  # how long torch waits for the rest
        with pytest.raises(Preempted, match=said) as raised:
            run(settings, run_dir, Silent())
    assert "again to continue, with train.workers=0 if it is lost again" in str(raised.value)
    assert run(settings, run_dir, Silent())["steps"] == 6


def test_a_run_stopped_inside_a_validation_owes_it_still(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mothertongue.training.validator as module

    whole = trained(make(), tmp_path / "whole")
    evaluate = module.evaluate

    def interrupted(*args: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(*args)

    monkeypatch.setattr(module, "evaluate", interrupted)
    with pytest.raises(Preempted, match="after step 4 of 12"):
        run(make(), RunDir(tmp_path / "run"), Silent())
    monkeypatch.undo()
    watcher = Silent()
    run(make(), RunDir(tmp_path / "run"), watcher)
    assert len(watcher.wers) == 3
    assert weights(tmp_path / "run") == whole


def test_a_long_epoch_has_checkpoints_before_its_end(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCutError(Exception):
        pass

    class Cut(Silent):
        def stepped(self, step: int, loss: float, learning_rate: float) -> None:
            if step == 5:
                raise PowerCutError

    monkeypatch.setattr(loop, "SAVE_EVERY_STEPS", 2)
    as_default = {"save_every_steps": None, "eval_every_steps": None}
    with pytest.raises(PowerCutError):
        run(make(**as_default), RunDir(tmp_path / "run"), Cut())
    watcher = Silent()
    run(make(**as_default), RunDir(tmp_path / "run"), watcher)
    assert watcher.began_at == 4
    assert weights(tmp_path / "run") == trained(make(), tmp_path / "whole")


def damage_missing(path: Path) -> None:
    path.unlink()


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [damage_missing, damage_empty, damage_half, damage_one_bit])
@pytest.mark.parametrize(
    "name", ["trained.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json"]
)
def test_a_damaged_checkpoint_is_found_and_the_one_before_it_used(
    make: Make, tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    folder = RunDir(tmp_path / "run")
    with pytest.raises(Preempted):
        run(make(epochs=1), folder, After(5))
    newest = folder.checkpoints / "step-0000005"
    damage(newest / name)
    watcher = Silent()
    run(make(epochs=1), folder, watcher)
    assert watcher.began_at == 3
    (said,) = [note for note in watcher.notes if "using an older checkpoint" in note]
    assert str(newest) in said


def stray_file(folder: Path) -> None:
    (folder / "step-9").touch()


def folder_of_its_name(folder: Path) -> None:
    (folder / "step-0000005/MANIFEST.json").unlink()
    (folder / "step-0000005/MANIFEST.json").mkdir()


def sums_nested_without_end(folder: Path) -> None:
    (folder / "step-0000005/MANIFEST.json").write_text("[" * 100_000)


@pytest.mark.parametrize(
    ("change", "begins"), [(stray_file, 5), (folder_of_its_name, 3), (sums_nested_without_end, 3)]
)
def test_what_is_no_checkpoint_is_not_taken_for_one(
    make: Make, tmp_path: Path, change: Callable[[Path], None], begins: int
) -> None:
    folder = RunDir(tmp_path / "run")
    with pytest.raises(Preempted):
        run(make(epochs=1), folder, After(5))
    change(folder.checkpoints)
    watcher = Silent()
    run(make(epochs=1), folder, watcher)
    assert watcher.began_at == begins


def test_a_checkpoint_of_another_version_is_refused(make: Make, tmp_path: Path) -> None:
    folder = RunDir(tmp_path / "run")
    with pytest.raises(Preempted):
        run(make(epochs=1), folder, After(2))
    newest = folder.checkpoints / "step-0000002"
    write_json(newest / "state.json", folder.read_state() | {"beauty": 3})
    sums = json.loads((newest / "MANIFEST.json").read_text())
    facts = {"bytes": (newest / "state.json").stat().st_size}
    sums["files"]["state.json"] = facts | {"sha256": sha256_file(newest / "state.json")}
    write_json(newest / "MANIFEST.json", sums)
    with pytest.raises(DataError, match=r"step-0000002: .* beauty: Unexpected .*the version that"):
        run(make(epochs=1), folder, Silent())


@pytest.mark.parametrize("line", [b"\xff\xfe\n", b"[]\n", b"{\n", b'{"step": null}\n'])
def test_a_damaged_line_of_metrics_is_named(make: Make, tmp_path: Path, line: bytes) -> None:
    folder = RunDir(tmp_path / "run")
    with pytest.raises(Preempted):
        run(make(epochs=1), folder, After(2))
    whole = folder.metrics.read_bytes()
    folder.metrics.write_bytes(whole + line + whole)
    with pytest.raises(DataError, match=r"metrics\.jsonl.*damaged"):
        run(make(epochs=1), folder, Silent())
    folder.metrics.write_bytes(whole + line[:-1])  # torn by a power cut: written again
    run(make(epochs=1), folder, Silent())
    assert [json.loads(x)["step"] for x in folder.metrics.read_text().splitlines()][:3] == [1, 2, 3]


def test_a_run_whose_best_weights_are_gone_is_not_complete(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SplitValidator, "__call__", lambda *_: validation(0.5))
    settings, folder = make(context="full", epochs=1), RunDir(tmp_path / "run")
    with pytest.raises(Preempted):
        run(settings, folder, After(5))
    shutil.rmtree(folder.best)
    with pytest.raises(DataError, match=r"best: MANIFEST\.json is missing; train again or restore"):
        run(settings, folder, Silent())
    assert not folder.is_done


def test_without_a_whole_checkpoint_it_never_starts_over(make: Make, tmp_path: Path) -> None:
    folder = RunDir(tmp_path / "run")
    with pytest.raises(Preempted):
        run(make(), folder, After(5))
    for checkpoint in folder.checkpoints.iterdir():
        damage_half(checkpoint / "trained.safetensors")
    with pytest.raises(DataError, match="no checkpoint is whole"):
        run(make(), folder, Silent())


def test_a_disk_without_room_is_said_before_the_first_step(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def needed(folder: Path, **changes: Any) -> int:
        with monkeypatch.context() as patch, pytest.raises(DiskFull) as raised:
            leave_free(patch, 1000)
            run(make(**changes), RunDir(folder), watcher)
        (found,) = re.findall(r"checkpoints: no room .* needs ([\d,]+) bytes", str(raised.value))
        return int(found.replace(",", ""))

    watcher, begun = Silent(), tmp_path / "begun"
    weights = needed(begun) / 10  # three checkpoints for a while, with two moments; and the best
    assert needed(tmp_path / "b", save_every_steps=6) == 8 * weights
    assert needed(tmp_path / "c", save_every_steps=12) == 5 * weights
    assert watcher.losses == []
    with pytest.raises(Preempted):
        run(make(), RunDir(begun), After(5))
    assert needed(begun) == pytest.approx((10 - 2 * 3 - 1) * weights, rel=0.1)


def test_a_disk_that_fills_up_is_one_message_and_nothing_is_lost(
    make: Make, tmp_path: Path
) -> None:
    run_dir = RunDir(tmp_path / "run")
    said = r"step-0000003: no room on the disk: it needs more than .* make room there"
    with no_file_above(100_000), pytest.raises(DiskFull, match=said) as raised:
        run(make(epochs=1), run_dir, Silent())
    assert isinstance(raised.value.__cause__, SafetensorError)
    assert list(run_dir.checkpoints.iterdir()) == []
    assert run(make(epochs=1), run_dir, Silent())["steps"] == 6


def test_a_finished_run_is_not_run_again(make: Make, tmp_path: Path) -> None:
    record = run(make(epochs=1), RunDir(tmp_path / "run"), Silent())
    watcher = Silent()
    assert run(make(epochs=1), RunDir(tmp_path / "run"), watcher) == record
    assert watcher.losses == []
    assert watcher.notes == [f"{tmp_path / 'run'} is complete; nothing to do"]


def test_other_settings_are_refused_with_the_difference(make: Make, tmp_path: Path) -> None:
    with pytest.raises(Preempted):
        run(make(), RunDir(tmp_path / "run"), After(2))
    with pytest.raises(ConfigError, match=r"train.learning_rate: was 0.001, now 0.002") as raised:
        run(make(learning_rate=2e-3), RunDir(tmp_path / "run"), Silent())
    assert raised.value.exit_code == 2


def test_other_data_is_refused(made: tuple[Path, Path], tmp_path: Path) -> None:
    data = save_corpus(tmp_path / "data")
    experiment = tiny_experiment(tmp_path, made[0], data)
    with pytest.raises(Preempted):
        run(experiment, RunDir(tmp_path / "run"), After(2))
    write_manifest(data / "manifest.jsonl", list(read_manifest(data))[1:])
    with pytest.raises(DataError, match=r"data/manifest.jsonl: clips 1 gone") as raised:
        run(experiment, RunDir(tmp_path / "run"), Silent())
    assert raised.value.exit_code == 65


def test_a_second_process_on_the_same_run_is_refused(make: Make, tmp_path: Path) -> None:
    folder = RunDir(tmp_path / "run")
    with (
        folder.locked(),
        pytest.raises(MothertongueError, match=f"in use by process {os.getpid()} on ") as raised,
    ):
        run(make(), folder, Silent())
    assert raised.value.exit_code == 1


def test_a_loss_that_is_not_finite_stops_before_the_update_and_names_the_clips(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = LabelLoss.forward

    def poisoned(self: LabelLoss, *args: Any) -> Any:
        loss = forward(self, *args)
        return loss * float("nan") if len(watcher.losses) == 4 else loss

    watcher = Silent()
    monkeypatch.setattr(LabelLoss, "forward", poisoned)
    with pytest.raises(MothertongueError, match=r"step 5: loss nan.*Clips of this step: train\d"):
        run(make(), RunDir(tmp_path / "run"), watcher)
    monkeypatch.undo()
    assert trained(make(), tmp_path / "run") == trained(make(), tmp_path / "whole")


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_step(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = trained(make(batch_size=4, micro_batch_size=2, epochs=1), tmp_path / "small")
    forward = LabelLoss.forward

    def limited(self: LabelLoss, samples_BS: torch.Tensor, *labels: torch.Tensor) -> Any:
        if len(samples_BS) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes")
        return forward(self, samples_BS, *labels)

    monkeypatch.setattr(LabelLoss, "forward", limited)
    record = run(make(batch_size=4, epochs=1), RunDir(tmp_path / "limited"), Silent())
    assert record["micro_batch_size"] == 2
    assert weights(tmp_path / "limited") == small


@pytest.mark.parametrize(("asked", "expected"), [({}, {2}), ({"micro_batch_size": 5}, {3})])
def test_steps_at_30_s_go_in_small_micro_batches_on_a_cpu(
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: dict[str, int],
    expected: set[int],
) -> None:
    forward, seen = LabelLoss.forward, list[int]()

    def counting(self: LabelLoss, samples_BS: torch.Tensor, *labels: torch.Tensor) -> Any:
        if self.model.training:  # validation computes its loss too
            seen.append(len(samples_BS))
        return forward(self, samples_BS, *labels)

    monkeypatch.setattr(LabelLoss, "forward", counting)
    experiment = make(batch_size=6, epochs=1, full_context_share=1.0, **asked)
    run(experiment, RunDir(tmp_path / "run"), Silent())
    assert set(seen) == expected
    assert sum(seen) == 12


def test_a_run_goes_on_with_smaller_micro_batches(make: Make, tmp_path: Path) -> None:
    """As the message about memory on several devices promises."""
    folder = RunDir(tmp_path / "run")
    with pytest.raises(Preempted):
        run(make(batch_size=4, epochs=1), folder, After(2))
    smaller = Silent()
    record = run(make(batch_size=4, epochs=1, micro_batch_size=1), folder, smaller)
    assert (smaller.began_at, record["micro_batch_size"]) == (2, 1)
    whole = Silent()
    run(make(batch_size=4, epochs=1), RunDir(tmp_path / "whole"), whole)
    assert smaller.losses == pytest.approx(whole.losses[2:], rel=1e-4)


def test_a_run_never_goes_on_with_larger_micro_batches_than_fitted(
    make: Make, tmp_path: Path
) -> None:
    folder = RunDir(tmp_path / "run")
    with pytest.raises(Preempted):
        run(make(batch_size=4, micro_batch_size=2), folder, After(2))
    watcher = Silent()
    assert run(make(batch_size=4, micro_batch_size=4), folder, watcher)["micro_batch_size"] == 2
    assert "micro-batches of 2, as the run's newest checkpoint" in " ".join(watcher.notes)


def test_halving_begins_at_the_clips_that_were_there(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of 60 s hold up to 60 clips, but these at most 12."""
    tried: list[int] = []

    def none(self: LabelLoss, samples_BS: torch.Tensor, *labels: torch.Tensor) -> Any:
        tried.append(len(samples_BS))
        raise RuntimeError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr(LabelLoss, "forward", none)
    changes = {"batch_seconds": 60, "batch_size": 8, "full_context_share": 0}
    with pytest.raises(MothertongueError, match="with a single clip"):
        run(make(**changes), RunDir(tmp_path / "run"), Silent())
    assert tried[0] <= 12
    assert tried == sorted(set(tried), reverse=True)


def test_out_of_memory_with_one_clip_says_what_to_do(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(self: LabelLoss, *args: torch.Tensor) -> Any:
        raise RuntimeError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr(LabelLoss, "forward", never)
    with pytest.raises(MothertongueError, match="with a single clip; use a smaller base"):
        run(make(), RunDir(tmp_path / "run"), Silent())


@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_a_base_that_skips_layers_at_random_is_refused(
    made: tuple[Path, Path], tmp_path: Path, half: str
) -> None:
    base = shutil.copytree(made[0], tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {f"{half}_layerdrop": 0.5}))
    with pytest.raises(ConfigError, match=rf"{half}_layerdrop is 0.5, expected 0.*config\.json"):
        run(tiny_experiment(tmp_path, base, made[1]), RunDir(tmp_path / "run"), Silent())


def test_random_numbers_of_ranks_and_seeds_never_meet() -> None:
    """65536 << 32 is 1 << 48: added up, a seed was once the stream of another rank."""
    from mothertongue.training.step import _mix

    seeds = [0, 1, 65535, 65536, 65537, 2**32 - 1]
    mixed = {_mix(seed, step, rank) for seed in seeds for step in range(3) for rank in range(3)}
    assert len(mixed) == len(seeds) * 9
    for each in mixed:
        torch.Generator().manual_seed(each)


def test_the_time_of_training_includes_the_wait_for_data(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    load = StepDataset.__getitem__

    def slow(self: StepDataset, step: int) -> Any:
        now[0] += 10
        return load(self, step)

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(StepDataset, "__getitem__", slow)
    record = run(make(epochs=1, validation_clips="all"), RunDir(tmp_path / "run"), Silent())
    assert record["train_s"] == 10 * record["steps"]


def test_patience_stops_early_and_best_is_the_best(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([validation(wer) for wer in (0.9, 0.5, 0.7, 0.6, 0.1)])
    monkeypatch.setattr(SplitValidator, "__call__", lambda *_: next(found))
    monkeypatch.setattr(SplitValidator, "at_full_context", lambda *_: validation(0.55))
    record = run(make(eval_every_steps=1, patience=2, epochs=1), RunDir(tmp_path / "run"), Silent())
    assert record["stopped_early"]
    assert (record["steps"], record["best_step"], record["best_validation_wer"]) == (4, 2, 0.55)
    assert record["best_validation_interval95"] == pytest.approx([0.45, 0.65])
    assert weights(tmp_path / "run", "best") != weights(tmp_path / "run", "final")


def test_several_manifests_are_one_corpus(
    make: Make, made: tuple[Path, Path], tmp_path: Path
) -> None:
    second = save_corpus(tmp_path / "second", train=4, validation=1, test=1)
    both = make().model_copy(update={"data": (made[1], second)})
    watcher = Silent()
    record = run(both, RunDir(tmp_path / "run"), watcher)
    assert record["steps"] == len(watcher.losses) == 2 * (12 + 4) // 2
    assert load_run(tmp_path / "run").experiment.data == (made[1], second)


def test_a_language_without_a_token_trains_under_the_one_it_borrows(
    make: Make, made: tuple[Path, Path], tmp_path: Path
) -> None:
    twi = [replace(each, language="tw") for each in read_data([made[1]])]
    write_manifest(tmp_path / "twi" / "manifest.jsonl", twi)
    changes = {"language": "tw", "data": tmp_path / "twi"}
    with pytest.raises(ConfigError, match="borrow"):
        run(make().model_copy(update=changes), RunDir(tmp_path / "none"), Silent())
    borrowing = make(epochs=1).model_copy(update=changes | {"borrow": {"tw": "sw"}})
    run(borrowing, RunDir(tmp_path / "twi-run"), Silent())
    run(make(epochs=1), RunDir(tmp_path / "sw-run"), Silent())
    assert weights(tmp_path / "twi-run") == weights(tmp_path / "sw-run")
    tokens = load_run(tmp_path / "twi-run").base.tokens
    assert tokens.prefix("tw") == tokens.prefix("sw")


def test_choice_on_the_test_split_is_possible_and_recorded(
    make: Make, made: tuple[Path, Path], tmp_path: Path
) -> None:
    chosen = make(epochs=1).model_copy(update={"select_on": "test"})
    record = run(chosen, RunDir(tmp_path / "run"), Silent())
    assert record["selected_on"] == "test"
    train_only = [each for each in read_data([made[1]]) if each.split == "train"]
    write_manifest(tmp_path / "train" / "manifest.jsonl", train_only)
    nothing = chosen.model_copy(update={"data": tmp_path / "train"})
    with pytest.raises(DataError, match="no utterance in split 'test'"):
        run(nothing, RunDir(tmp_path / "none"), Silent())


def test_gradient_checkpointing_changes_no_weight(make: Make, tmp_path: Path) -> None:
    plain = trained(make(epochs=1), tmp_path / "plain")
    assert trained(make(epochs=1, gradient_checkpointing=True), tmp_path / "less") == plain


def test_bfloat16_trains(make: Make, tmp_path: Path) -> None:
    watcher = Silent()
    run(make(epochs=4, precision="bf16"), RunDir(tmp_path / "run"), watcher)
    assert sum(watcher.losses[-6:]) < 0.9 * sum(watcher.losses[:6])


def test_the_learning_rate_climbs_and_falls_linearly() -> None:
    config = TrainConfig(learning_rate=1.0, warmup_ratio=0.4)
    rates = [learning_rate(step, 10, config) for step in range(10)]
    rising, falling = [0.25, 0.5, 0.75, 1.0], [1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    assert rates == pytest.approx(rising + falling)


def test_biases_and_norms_do_not_decay() -> None:
    from mothertongue.training.step import _decay_groups

    parameters = {"weight": torch.zeros(2, 2), "bias": torch.zeros(2), "norm": torch.zeros(3)}
    decayed, kept = _decay_groups(parameters, TrainConfig(weight_decay=0.1))
    assert (decayed["weight_decay"], len(decayed["params"])) == (0.1, 1)
    assert (kept["weight_decay"], len(kept["params"])) == (0.0, 2)


def test_a_setting_without_effect_is_refused() -> None:
    with pytest.raises(ValueError, match="full_context_share has no effect with context=full"):
        TrainConfig(context="full", full_context_share=0.2)


def test_gradients_are_the_same_bits_with_several_threads() -> None:
    tokens = byte_tokens()
    model = Full().apply(
        tiny_model(tokens, d_model=384, decoder_layers=1, encoder_layers=1), seed=0
    )
    labels = [tokens.label("habari ya asubuhi " * 12, "sw")] * 8
    clips = [noise(1.0, seed) for seed in range(8)]
    batch = collate("abcdefgh", clips, labels, 1, tokens.end)
    threads = torch.get_num_threads()

    def gradients() -> list[torch.Tensor]:
        model.zero_grad()
        LabelLoss(model)(*batch.tensors()).backward()
        return [value.grad.clone() for value in trained_parameters(model).values()]

    torch.set_num_threads(4)
    try:
        with deterministic(model.device):
            first, *others = [gradients() for _ in range(4)]
    finally:
        torch.set_num_threads(threads)
    assert not torch.are_deterministic_algorithms_enabled()
    for other in others:
        assert all(map(torch.equal, first, other))
