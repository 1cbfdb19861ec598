"""What `train` does where data, audio or code are no longer what a run was begun with."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clips import tone, write_clip
from report_folders import run_record
from runs import After, Silent, save_base, save_corpus, tiny_experiment
from trained import weights

from mothertongue.data.clips import read_split
from mothertongue.data.manifest import Split, read_manifest, write_manifest
from mothertongue.errors import ConfigError, DataError, Preempted
from mothertongue.experiment.config import Experiment, refuse_other_settings
from mothertongue.experiment.run_dir import RunDir
from mothertongue.system.files import write_json
from mothertongue.training.plan_probe import plan
from mothertongue.training.run import run

SWAPPED: dict[Split, Split] = {"train": "test", "test": "train", "validation": "validation"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return save_corpus(tmp_path / "data")


@pytest.fixture
def begun(base: Path, data: Path, tmp_path: Path) -> tuple[Experiment, RunDir]:
    """A run after two steps."""
    experiment, run_dir = tiny_experiment(tmp_path, base, data), RunDir(tmp_path / "run")
    with pytest.raises(Preempted):
        run(experiment, run_dir, After(2))
    return experiment, run_dir


def other_sound(data: Path) -> None:
    write_clip(data / "train0.wav", tone(0.5, 3000.0))


def other_split(data: Path) -> None:
    clips = list(read_manifest(data))
    write_manifest(data / "manifest.jsonl", [replace(clips[0], split="test"), *clips[1:]])


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (
            {"kind": "lora", "rank": 33},
            "rank: 33, but a matrix of this Whisper has at most rank 32",
        ),
        (
            {"kind": "bottleneck", "encoder_top": 3},
            "encoder_top: 3, but this Whisper has 2 encoder",
        ),
        ({"kind": "freeze", "encoder_layers": 3}, "encoder_layers: 3 to freeze, but this Whisper"),
        ({"kind": "reinit", "encoder_layers": 3}, "encoder_layers: 3 to re-initialize, but this"),
    ],
)
def test_a_strategy_that_does_not_fit_the_base_is_refused_before_data_is_read(
    base: Path, tmp_path: Path, strategy: dict[str, Any], said: str
) -> None:
    settings = {"strategy": strategy, "epochs": None, "learning_rate": None}
    experiment = tiny_experiment(tmp_path, base, tmp_path / "nowhere", **settings)
    with pytest.raises(ConfigError, match=rf"^strategy\.{said}"):
        run(experiment, RunDir(tmp_path / "run"), Silent())
    with pytest.raises(ConfigError, match=rf"^strategy\.{said}"):
        plan(experiment)


def test_clips_that_another_manifest_holds_out_are_refused_before_anything_runs(
    base: Path, tmp_path: Path
) -> None:
    a, b = save_corpus(tmp_path / "A"), save_corpus(tmp_path / "B")
    clips = [replace(each, split=SWAPPED[each.split]) for each in read_manifest(b)]
    write_manifest(b / "manifest.jsonl", clips)
    experiment = tiny_experiment(tmp_path, base, a).model_copy(update={"data": (a, b)})
    with pytest.raises(DataError, match="15 of 15 clips have the audio of a clip of train"):
        run(experiment, RunDir(tmp_path / "run"), Silent())
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_sound, r"audio: 1 files, such as .*train0\.wav"),
        (other_split, r"manifest .*: clips 1 in another split, 1 held out that were trained on"),
    ],
)
@pytest.mark.parametrize("is_done", [False, True])
def test_a_run_is_not_taken_for_one_on_other_data(
    begun: tuple[Experiment, RunDir],
    data: Path,
    change: Callable[[Path], None],
    message: str,
    is_done: bool,
) -> None:
    experiment, run_dir = begun
    if is_done:
        write_json(run_dir.record, run_record())
    change(data)
    with pytest.raises(DataError, match=message) as raised:
        run(experiment, run_dir, Silent())
    assert f"give another --out, or remove {run_dir.path}" in str(raised.value)


def test_settings_that_change_no_result_may_change(begun: tuple[Experiment, RunDir]) -> None:
    """More checkpoints, and less memory where it ran out."""
    settings, run_dir = begun
    train = {"save_every_steps": 1, "gradient_checkpointing": True}
    changed = settings.model_copy(
        update={
            "train": settings.train.model_copy(update=train),
            "evaluate": settings.evaluate.model_copy(update={"batch_size": 1, "graphs": "auto"}),
        }
    )
    watcher = Silent()
    run(changed, run_dir, watcher)
    assert watcher.began_at == 2
    compiled = settings.train.model_copy(update={"compile": True})
    refuse_other_settings(settings.model_copy(update={"train": compiled}), run_dir)


def test_a_run_is_not_continued_by_other_code(begun: tuple[Experiment, RunDir]) -> None:
    experiment, run_dir = begun
    identity = json.loads(run_dir.identity.read_text())
    older = identity | {"packages": identity["packages"] | {"torch": "2.0"}}
    del older["label_rules"]
    write_json(run_dir.identity, older)
    with pytest.raises(DataError, match=r"label rules: were 1, now 2\n  torch: was 2\.0, now "):
        run(experiment, run_dir, Silent())
    write_json(run_dir.record, run_record())
    watcher = Silent()
    # Its weights are what they are.
    assert run(experiment, run_dir, watcher) == run_dir.read_record()
    assert watcher.notes[1].startswith("it was trained by other code (label rules: were 1")


def test_clips_without_a_text_are_named_with_their_manifest(
    base: Path, data: Path, tmp_path: Path
) -> None:
    clips = list(read_manifest(data))
    write_manifest(data / "manifest.jsonl", [replace(clips[0], text=" "), *clips[1:]])
    with pytest.raises(DataError, match=rf"^{data}: 1 clips to train on have no text(.*\n)+"):
        run(tiny_experiment(tmp_path, base, data), RunDir(tmp_path / "run"), Silent())


def test_a_clip_that_whisper_cannot_take_is_named(base: Path, data: Path, tmp_path: Path) -> None:
    clips = list(read_manifest(data))
    write_manifest(data / "manifest.jsonl", [replace(clips[0], duration_s=31.0), *clips[1:]])
    with pytest.raises(DataError, match=rf"^{data}: 1 clips have more than 30 s, such as train0 w"):
        run(tiny_experiment(tmp_path, base, data), RunDir(tmp_path / "run"), Silent())
    with pytest.raises(DataError, match=r"such as train0 with 31\.00 s; Whisper takes no more"):
        read_split([data], "train", None)


def test_a_run_without_validation_says_which_weights_it_takes(base: Path, tmp_path: Path) -> None:
    data, watcher = save_corpus(tmp_path / "data", validation=0), Silent()
    run(tiny_experiment(tmp_path, base, data, epochs=1), RunDir(tmp_path / "run"), watcher)
    assert any("best/ gets the last weights" in note for note in watcher.notes)
    assert weights(tmp_path / "run", "best") == weights(tmp_path / "run", "final")


def test_a_folder_in_the_records_place_is_a_damaged_record(
    begun: tuple[Experiment, RunDir],
) -> None:
    experiment, run_dir = begun
    run_dir.record.mkdir()
    with pytest.raises(DataError, match=r"record\.json: not there \(Is a directory\)"):
        run(experiment, run_dir, Silent())


def test_a_folder_in_a_clips_place_is_named(base: Path, data: Path, tmp_path: Path) -> None:
    (data / "train0.wav").unlink()
    (data / "train0.wav").mkdir()
    with pytest.raises(DataError, match=r"train0\.wav"):
        run(tiny_experiment(tmp_path, base, data), RunDir(tmp_path / "run"), Silent())
