"""Training on pseudo-labels: their weight, and what the records say of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import After, Silent, byte_tokens, save_base, save_corpus, tiny_experiment
from tiny import tiny_model
from trained import trained

from mothertongue.data.manifest import read_data, read_manifest, write_manifest
from mothertongue.data.pseudo_labels import Labeller
from mothertongue.errors import ConfigError, DataError, Preempted
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.identity import pseudo_labels, read_identity
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.inference.labelling.teacher import label_round
from mothertongue.system.files import sha256_file, write_json
from mothertongue.training.batch import Batch
from mothertongue.training.dataset import StepDataset
from mothertongue.training.loss import LabelLoss
from mothertongue.training.run import run

TOKENS = byte_tokens()
LABELLING = {"model": "teacher", "model_sha256": "1", "round": 2, "language": "sw", "settings": {}}
LABELLING |= {"filters": {}, "agree_with": None, "recordings": 2, "recorded_s": 1.0}
LABELLING |= {"pieces": 2, "pieces_s": 1.0, "least_log_probability": -0.4}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base"))


def mark(folder: Path, count: int) -> Path:
    """Make pseudo-labels of the first training clips of a corpus; labelled in round 2."""
    rows = list(read_manifest(folder))
    marked = [replace(each, average_log_probability=-0.3) for each in rows[:count]]
    write_manifest(folder / "manifest.jsonl", marked + rows[count:])
    card = {"num_rows": 3, "num_rejected": 0, "rejected": {}, "notes": {}, "warnings": []}
    card |= {"confirmed": [], "split_by": "given", "labelling": LABELLING}
    card["manifest_sha256"] = sha256_file(folder / "manifest.jsonl")
    write_json(folder / "data_card.json", card)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """12 training clips; the first five have pseudo-labels."""
    return mark(save_corpus(tmp_path / "data"), 5)


def dataset(data: Path, *ranks: int, **settings: Any) -> StepDataset:
    clips = [each for each in read_data([data]) if each.split == "train"]
    config = TrainConfig(epochs=1, batch_size=4, full_context_share=0.0, **settings)
    return StepDataset(Path(), clips, TOKENS, config, None, *ranks)


def test_each_clip_has_its_factor(data: Path) -> None:
    batches = [
        each for step in dataset(data, pseudo_label_weight=0.5).steps_from(0) for each in step
    ]
    found = {}
    for batch in batches:
        assert batch.factors_B is not None
        found |= dict(zip(batch.ids, batch.factors_B.tolist(), strict=True))
    assert found == {f"train{i}": 0.5 if i < 5 else 1.0 for i in range(12)}
    assert all(each.factors_B is None for step in dataset(data).steps_from(0) for each in step)


def test_a_teacher_of_two_folders_is_named_once(data: Path, tmp_path: Path) -> None:
    found = pseudo_labels([data, mark(save_corpus(tmp_path / "more"), 2)], read_data([data]))
    assert found and found.models == [Labeller("teacher", "1")]


def test_the_loss_of_a_step_is_the_weighted_sum_on_any_number_of_ranks(data: Path) -> None:
    model = tiny_model(TOKENS, d_model=32)
    loss, plain = LabelLoss(model), {}

    def total(batches: list[Batch]) -> float:
        return sum(float(loss(*each.tensors(), factors_B=each.factors_B)) for each in batches)

    with torch.inference_mode():
        for step in dataset(data).steps_from(0):
            for part in (part for batch in step for part in batch.split(1)):
                plain[part.ids[0]] = total([part])
        whole, *shares = (
            list(dataset(data, *ranks, pseudo_label_weight=0.25).steps_from(0))
            for ranks in ((), (0, 2), (1, 2))
        )
        for step, *parts in zip(whole, *shares, strict=True):
            names = [name for batch in step for name in batch.ids]
            expected = sum((0.25 if int(n[5:]) < 5 else 1.0) * plain[n] for n in names)
            assert total(step) == pytest.approx(expected, rel=1e-5)
            assert sum(map(total, parts)) == pytest.approx(expected, rel=1e-5)


def test_at_weight_1_a_mark_changes_no_bit(base: Path, data: Path, tmp_path: Path) -> None:
    plain = save_corpus(tmp_path / "plain")
    marked, unmarked, half, whole = (
        trained(tiny_experiment(tmp_path, base, corpus, epochs=1, **changes), tmp_path / name)
        for name, corpus, changes in (
            ("marked", data, {}),
            ("unmarked", plain, {}),
            ("half", data, {"pseudo_label_weight": 0.5}),
            ("whole", data, {"pseudo_label_weight": 1.0}),
        )
    )
    assert marked == unmarked == whole != half


def test_a_weighted_run_that_was_stopped_ends_with_the_same_bits(
    base: Path, data: Path, tmp_path: Path
) -> None:
    def make(**changes: Any) -> Experiment:
        return tiny_experiment(tmp_path, base, data, epochs=1, pseudo_label_weight=0.5, **changes)

    whole = trained(make(), tmp_path / "whole")
    with pytest.raises(Preempted):
        run(make(), RunDir(tmp_path / "stopped"), After(2))
    assert trained(make(), tmp_path / "stopped") == whole
    assert trained(make(workers=2), tmp_path / "workers") == whole


def test_a_weight_without_pseudo_labels_is_refused(base: Path, tmp_path: Path) -> None:
    experiment = tiny_experiment(
        tmp_path, base, save_corpus(tmp_path / "data"), pseudo_label_weight=0.5
    )
    with pytest.raises(ConfigError, match=r"pseudo_label_weight=0\.5 has no effect"):
        run(experiment, RunDir(tmp_path / "run"), Silent())


def test_records_say_what_was_labelled_and_the_next_round_is_one_more(
    base: Path, data: Path, tmp_path: Path
) -> None:
    run_dir, watcher = RunDir(tmp_path / "run"), Silent()
    record = run(tiny_experiment(tmp_path, base, data, epochs=1), run_dir, watcher)
    rows = [each for each in read_data([data]) if each.split == "train"]
    facts = record.pseudo_labels
    assert facts is not None and facts == read_identity(run_dir).pseudo_labels
    assert run_dir.read_record().pseudo_labels == facts
    assert (facts.clips, facts.of_clips, facts.round) == (5, 12, 2)
    assert facts.hours == pytest.approx(sum(each.duration_s for each in rows[:5]) / 3600)
    assert facts.models == [Labeller("teacher", "1")]
    assert any("pseudo-labels by teacher, round 2" in note for note in watcher.notes)
    assert label_round(str(run_dir.path)) == 3
    assert label_round(str(base)) == 1


def test_recordings_of_the_test_split_are_not_trained_on(
    base: Path, data: Path, tmp_path: Path
) -> None:
    """Somebody labelled the very audio that the test is made of."""
    folder = tmp_path / "pseudo"
    (clip,) = [each for each in read_data([data]) if each.id == "test1"]
    labelled = replace(clip, id="x", text="kitu", split="train", average_log_probability=-0.1)
    write_manifest(folder / "manifest.jsonl", [labelled])
    experiment = tiny_experiment(tmp_path, base, data)
    both = experiment.model_copy(update={"data": (data, folder)})
    with pytest.raises(DataError, match=r"test: 1 of 3 clips have the audio of a clip of train"):
        run(both, RunDir(tmp_path / "run"), Silent())
