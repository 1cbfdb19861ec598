"""Test runs that were stopped or damaged: they continue to the same weights, or say why not."""

import json
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runs import After, Silent, save_corpus, tiny_experiment, validation
from torch.utils.data import _utils
from trained import Make, weights

from mothertongue.data.manifest import read_manifest, write_manifest
from mothertongue.errors import ConfigError, DataError, Interrupted, MothertongueError, Preempted
from mothertongue.experiment.run_dir import RunDir
from mothertongue.system.files import sha256_file, write_json
from mothertongue.training import dataset, loop
from mothertongue.training.dataset import StepDataset
from mothertongue.training.run import run
from mothertongue.training.validator import SplitValidator


@pytest.fixture(scope="module")
def stopped_run(made: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch that was stopped after step 5 of 6."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(Preempted):
        run(tiny_experiment(folder, *made, epochs=1), RunDir(folder / "run"), After(5))
    return folder / "run"


@pytest.fixture
def after_5(stopped_run: Path, tmp_path: Path) -> RunDir:
    """A copy of it."""
    return RunDir(shutil.copytree(stopped_run, tmp_path / "run"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2, signal.SIGINT])
def test_a_stopped_run_continues_to_the_same_weights(
    make: Make, whole: Path, tmp_path: Path, number: int
) -> None:
    kind, code = (Interrupted, 130) if number == signal.SIGINT else (Preempted, 75)
    stopped = RunDir(tmp_path / "stopped")
    with pytest.raises(kind, match=r"after step 5 of 12.*same command again") as raised:
        run(make(), stopped, After(5, number))
    assert raised.value.exit_code == code
    watcher = Silent()
    run(make(), stopped, watcher)
    assert watcher.began_at == 5
    assert weights(stopped.path) == weights(whole)
    assert stopped.metrics.read_text() == RunDir(whole).metrics.read_text()


def test_a_run_that_was_stopped_is_free_while_its_workers_still_end(
    make: Make, tmp_path: Path
) -> None:
    """The workers are forks: they share all files that the run has open."""
    with pytest.raises(Preempted) as raised:
        run(make(workers=2), RunDir(tmp_path / "run"), After(2))
    assert multiprocessing.active_children(), raised  # the trace of `raised` keeps the loader alive
    with RunDir(tmp_path / "run").locked():
        pass


KILLED = "is killed by signal: Killed|exited unexpectedly|what it sent broke off"
"""The first that is seen: the child's signal, torch's look at the workers, or a step that it sent
while it died."""


@pytest.mark.parametrize(
    ("end", "patience_s", "said"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), 600.0, KILLED),
        (threading.Event().wait, 0.5, "timed out after 0.5 seconds"),
    ],
    ids=["killed", "hanging"],
)
def test_a_lost_worker_is_one_message_and_the_run_goes_on(
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[], None],
    patience_s: float,
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
        patch.setattr(dataset, "PATIENCE_S", patience_s)
        patch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 0.1)  # torch's wait for the rest
        with pytest.raises(Preempted, match=said) as raised:
            run(settings, run_dir, Silent())
    assert "again to continue, with train.workers=0 if it is lost again" in str(raised.value)
    assert run(settings, run_dir, Silent()).steps == 6


def test_a_run_stopped_inside_a_validation_owes_it_still(
    make: Make, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mothertongue.training.validator as module

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
    assert weights(tmp_path / "run") == weights(whole)


def test_a_long_epoch_has_checkpoints_before_its_end(
    make: Make, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    assert weights(tmp_path / "run") == weights(whole)


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
    make: Make, after_5: RunDir, name: str, damage: Callable[[Path], None]
) -> None:
    newest = after_5.checkpoints / "step-0000005"
    damage(newest / name)
    watcher = Silent()
    run(make(epochs=1), after_5, watcher)
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
    make: Make, after_5: RunDir, change: Callable[[Path], None], begins: int
) -> None:
    change(after_5.checkpoints)
    watcher = Silent()
    run(make(epochs=1), after_5, watcher)
    assert watcher.began_at == begins


def test_a_checkpoint_of_another_version_is_refused(make: Make, after_5: RunDir) -> None:
    newest = after_5.checkpoints / "step-0000005"
    write_json(newest / "state.json", json.loads(after_5.state.read_text()) | {"beauty": 3})
    sums = json.loads((newest / "MANIFEST.json").read_text())
    facts = {"bytes": (newest / "state.json").stat().st_size}
    sums["files"]["state.json"] = facts | {"sha256": sha256_file(newest / "state.json")}
    write_json(newest / "MANIFEST.json", sums)
    with pytest.raises(DataError, match=r"step-0000005/state\.json: .* beauty: Unexpected .*"):
        run(make(epochs=1), after_5, Silent())


@pytest.mark.parametrize("line", [b"\xff\xfe\n", b"[]\n", b"{\n", b'{"step": null}\n'])
def test_a_damaged_line_of_metrics_is_named(make: Make, after_5: RunDir, line: bytes) -> None:
    metrics = after_5.metrics
    before = metrics.read_bytes()
    metrics.write_bytes(before + line + before)
    with pytest.raises(DataError, match=r"metrics\.jsonl.*damaged"):
        run(make(epochs=1), after_5, Silent())
    metrics.write_bytes(before + line[:-1])  # cut by a power failure: written again
    run(make(epochs=1), after_5, Silent())
    steps = [json.loads(each)["step"] for each in metrics.read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 4, 5, 6, 6]


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


def test_a_run_whose_validations_would_decode_with_other_words_is_not_continued(
    make: Make, tmp_path: Path
) -> None:
    words = tmp_path / "words.txt"
    words.write_text("Juma\n")
    settings = make()
    settings = settings.model_copy(
        update={"evaluate": settings.evaluate.model_copy(update={"hotwords": words})}
    )
    folder = RunDir(tmp_path / "run")
    with pytest.raises(Preempted):
        run(settings, folder, After(2))
    words.write_text("Asha\n")
    with pytest.raises(DataError, match=r"evaluate\.hotwords: its content has changed"):
        run(settings, folder, Silent())
    words.write_text("Juma\n")
    run(settings, folder, Silent())
    words.write_text("Asha\n")
    with pytest.raises(DataError, match="so it is not used"):
        run(settings, folder, Silent())
    words.unlink()
    with pytest.raises(DataError, match=r"words\.txt: no such file"):
        run(settings, folder, Silent())


def test_a_second_process_on_the_same_run_is_refused(make: Make, tmp_path: Path) -> None:
    folder = RunDir(tmp_path / "run")
    with (
        folder.locked(),
        pytest.raises(MothertongueError, match=f"in use by process {os.getpid()} on ") as raised,
    ):
        run(make(), folder, Silent())
    assert raised.value.exit_code == 1


def test_best_weights_of_before_a_kill_are_not_told_as_those_of_another_step(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step 8 is validated, and then the power fails. On another machine, which goes on after step
    6, its error rate is another: the best is now step 4, whose weights are gone."""

    class PowerCutError(Exception):
        pass

    class Cut(Silent):
        def stepped(self, step: int, loss: float, learning_rate: float) -> None:
            if step == 9:
                raise PowerCutError

    def found(*rates: float) -> None:
        left = iter(rates)
        monkeypatch.setattr(SplitValidator, "__call__", lambda *_: validation(next(left)))

    monkeypatch.setattr(SplitValidator, "at_full_context", lambda *_: validation(0.45))
    settings, folder = make(context="full"), RunDir(tmp_path / "run")
    found(0.5, 0.4)
    with pytest.raises(PowerCutError):
        run(settings, folder, Cut())
    kept, watcher = weights(folder.path, "best"), Silent()
    found(0.6, 0.7)
    record = run(settings, folder, watcher)
    assert watcher.began_at == 6
    assert weights(folder.path, "best") == kept
    assert (record.best_step, record.best_validation_wer) == (8, 0.45)
    (said,) = [note for note in watcher.notes if "best/ has the weights of step 8" in note]
    assert "now the best validation is that of step 4" in said
