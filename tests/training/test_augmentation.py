"""Test augmentation in training: equal draws for any workers, ranks and stops; none when off."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clips import tone, write_clip
from pydantic import ValidationError
from runs import After, Silent, byte_tokens, save_base, save_corpus, tiny_experiment

from mothertongue.data.clips import load_clip
from mothertongue.data.manifest import Utterance
from mothertongue.errors import ConfigError, DataError, Preempted
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.system.files import sha256_file
from mothertongue.system.json_files import read_json_lines
from mothertongue.training.batch import Batch, collate
from mothertongue.training.dataset import StepDataset
from mothertongue.training.plan_probe import first_epochs
from mothertongue.training.run import run

AUGMENT: dict[str, Any] = {
    "speed": {},
    "reverberation": {"probability": 0.5},
    "noise": {"probability": 0.5},
    "low_pass": {"probability": 0.5},
    "telephone": {"probability": 0.5},
    "gain": {},
    "spec_augment": {"time_share": 0.5},
}
FROZEN = {"kind": "freeze", "encoder_layers": 1}
COUNT = 9


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("augmented")
    return save_base(folder / "base"), save_corpus(folder / "data")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for i in range(COUNT):
        write_clip(folder / f"{i}.wav", tone(seconds(i), 200 + 100 * i))
    return folder


def seconds(clip: int) -> float:
    return 0.95 + clip % 3  # each clip that is slowed down needs a second more


def dataset(folder: Path, rank: int = 0, ranks: int = 1, **changes: Any) -> StepDataset:
    clips = [Utterance(f"{i}", f"{i}.wav", "moja", "sw", seconds(i)) for i in range(COUNT)]
    settings = {"epochs": 3, "batch_size": 4, "workers": 0, "augment": AUGMENT} | changes
    tokens = byte_tokens()
    return StepDataset(folder, clips, tokens, TrainConfig(**settings), None, rank, ranks)


def rows(batches: list[Batch]) -> dict[str, tuple[bytes, bytes]]:
    """Return the samples and masks of each clip of a step."""
    found = {}
    for batch in batches:
        assert batch.samples_BS is not None and batch.masks_BR4 is not None
        for row, name in enumerate(batch.ids):
            samples, masks = batch.samples_BS[row].numpy(), batch.masks_BR4[row].numpy()
            found[name] = (samples.tobytes(), masks.tobytes())
    return found


def trained(path: Path) -> str:
    return sha256_file(path / "final" / "trained.safetensors")


def test_draws_are_the_same_in_any_number_of_workers_and_ranks(folder: Path) -> None:
    alone = [rows(step) for step in dataset(folder).steps_from(0)]
    assert len(alone) == 9
    assert [rows(step) for step in dataset(folder, workers=2).steps_from(0)] == alone
    assert [rows(step) for step in dataset(folder).steps_from(5)] == alone[5:]
    for number, step in enumerate(alone):
        shares = [rows(dataset(folder, rank, 2)[number]) for rank in range(2)]
        assert all(step[name] == row for share in shares for name, row in share.items())
        assert shares[0] | shares[1] == step
    samples = [
        {name: row[0] for step in alone[i : i + 3] for name, row in step.items()} for i in (0, 3, 6)
    ]
    assert all(samples[0][name] != samples[1][name] for name in samples[0])


def test_off_gives_the_batches_of_the_clips_as_they_are(folder: Path) -> None:
    data = dataset(folder, augment={})
    for planned, batches in zip(data.plan(0), data.steps_from(0), strict=False):
        for micro_batch, batch in zip(planned, batches, strict=True):
            clips = [data.utterances[i] for i in micro_batch.indices]
            sounds = [load_clip(folder, each) for each in clips]
            labels = [data.labels[i] for i in micro_batch.indices]
            plain = collate(batch.ids, sounds, labels, micro_batch.context_s, data.end)
            assert len(batch.tensors()) == 3
            assert all(map(torch.equal, batch.tensors(), plain.tensors()))


def test_contexts_are_those_of_the_changed_lengths(folder: Path) -> None:
    data = dataset(folder, augment={"speed": {}}, full_context_share=0, epochs=12)
    for epoch in range(12):
        factors = [data.augmenter.factor(each, epoch) for each in data.utterances]
        needed = [math.ceil(seconds(i) / factor) for i, factor in enumerate(factors)]
        assert data.contexts_s(epoch) == needed
        steps = data.plan(epoch)
        assert len(steps) == data.steps_per_epoch
        planned = {i: each.context_s for step in steps for each in step for i in each.indices}
        assert [planned[i] for i in range(COUNT)] == needed
    assert len(list(data.steps_from(0))) == len(data)  # each clip fits its context
    longest = [each.context_s for epoch in first_epochs(data) for step in epoch for each in step]
    assert len(first_epochs(data)) == 10
    assert max(longest) == 4  # 2.95 s / 0.9


def test_masks_are_of_the_clips_own_frames(folder: Path) -> None:
    spec = {"spec_augment": {"time_share": 1.0, "time_frames": 3000}}
    data = dataset(folder, augment=spec, context="full", full_context_share=0.15)
    for batch in (each for batches in data.steps_from(0) for each in batches):
        assert batch.masks_BR4 is not None
        assert batch.context_s == 30
        for name, masks_R4 in zip(batch.ids, batch.masks_BR4.numpy(), strict=True):
            assert masks_R4[:, 1].max() <= 100 * seconds(int(name))


def test_a_stopped_run_continues_to_the_same_weights(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    experiment = tiny_experiment(tmp_path, *made, augment=AUGMENT)
    whole = Silent()
    run(experiment, RunDir(tmp_path / "whole"), whole)
    with pytest.raises(Preempted):
        run(experiment, RunDir(tmp_path / "stopped"), After(5))
    run(experiment, RunDir(tmp_path / "stopped"), Silent())
    assert trained(tmp_path / "stopped") == trained(tmp_path / "whole")
    # Masks go with their clips into smaller micro-batches; without masks the losses differ.
    smaller, plain = Silent(), Silent()
    changes = {"augment": AUGMENT, "micro_batch_size": 1}
    run(tiny_experiment(tmp_path, *made, **changes), RunDir(tmp_path / "smaller"), smaller)
    assert smaller.losses == pytest.approx(whole.losses, rel=1e-4)
    changes["augment"] = AUGMENT | {"spec_augment": None}
    run(tiny_experiment(tmp_path, *made, **changes), RunDir(tmp_path / "plain"), plain)
    assert plain.losses[0] != pytest.approx(whole.losses[0], rel=1e-4)


def test_a_frozen_prefix_without_a_store_is_augmented_alike(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"strategy": FROZEN, "augment": AUGMENT, "prefix_cache_gb": 0, "epochs": 1}
    found, plain = Silent(), Silent()
    run(tiny_experiment(tmp_path, *made, **dict(settings)), RunDir(tmp_path / "prefix"), found)
    monkeypatch.setattr("mothertongue.training.run.open_prefix", lambda *_: None)
    run(tiny_experiment(tmp_path, *made, **dict(settings)), RunDir(tmp_path / "plain"), plain)
    assert found.losses == pytest.approx(plain.losses, rel=1e-5)


@pytest.mark.parametrize("change", ["gain", "spec_augment"])
def test_a_store_of_augmented_clips_is_refused(
    made: tuple[Path, Path], tmp_path: Path, change: str
) -> None:
    experiment = tiny_experiment(tmp_path, *made, strategy=FROZEN, augment={change: {}})
    with pytest.raises(ConfigError, match=r"freezes 1 bottom.*give train\.prefix_cache_gb=0"):
        run(experiment, RunDir(tmp_path / "run"), Silent())


def test_seconds_a_batch_and_speed_are_refused_together() -> None:
    with pytest.raises(ValidationError, match="batch_seconds gives no fixed number of steps with"):
        TrainConfig(batch_seconds=60, augment={"speed": {}})
    assert TrainConfig(batch_seconds=60, augment={"gain": {}}).augment.is_on


def test_other_settings_or_sounds_are_told_when_a_run_continues(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    noises = write_clip(tmp_path / "noises" / "hum.wav", tone(1.0, 60)).parent
    changes = {"augment": {"noise": {"folder": str(noises), "probability": 1}}}
    experiment = tiny_experiment(tmp_path, *made, **changes)
    home = RunDir(tmp_path / "run")
    with pytest.raises(Preempted):
        run(experiment, home, After(5))
    other = tiny_experiment(tmp_path, *made, augment={"noise": {"probability": 0.2}})
    with pytest.raises(
        ConfigError, match=r"train\.augment\.noise\.probability: was 1\.0, now 0\.2"
    ):
        run(other, home, Silent())
    write_clip(noises / "hum.wav", tone(1.0, 61))
    with pytest.raises(DataError, match=r"train\.augment\.noise\.folder: its files have changed"):
        run(experiment, home, Silent())
    write_clip(noises / "hum.wav", tone(1.0, 60))
    assert run(experiment, home, Silent()).experiment.train.augment["noise"]["folder"]


def test_validation_is_never_augmented(made: tuple[Path, Path], tmp_path: Path) -> None:
    def validations(name: str, **augment: Any) -> list[tuple[float, float]]:
        """Return the values of a run whose rate is so small that its weights do not change."""
        changes = {"augment": augment, "learning_rate": 1e-20, "epochs": 1}
        run(tiny_experiment(tmp_path, *made, **changes), RunDir(tmp_path / name), Silent())
        lines = [values for _, values in read_json_lines(tmp_path / name / "metrics.jsonl", dict)]
        return [(x["validation_loss"], x["validation_cer"]) for x in lines if "epoch" in x]

    found = validations("augmented", **AUGMENT)
    assert found
    assert np.allclose(found, validations("plain"), rtol=1e-6)


def test_clips_that_are_too_long_to_be_slowed_are_counted(tmp_path: Path) -> None:
    base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data", train=2)
    path = write_clip(data / "train0.wav", tone(28.0))
    manifest = (
        (data / "manifest.jsonl").read_text().replace('"duration_s": 0.5', '"duration_s": 28.0', 1)
    )
    assert path.is_file() and "28.0" in manifest
    (data / "manifest.jsonl").write_text(manifest)
    watcher = Silent()
    changes = {"augment": {"speed": {}}, "epochs": 1}
    run(tiny_experiment(tmp_path, base, data, **changes), RunDir(tmp_path / "run"), watcher)
    assert any("1 of 2 clips are not slowed by 0.9" in note for note in watcher.notes)
