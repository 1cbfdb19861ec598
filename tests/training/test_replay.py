"""Replay: a share of steps on other languages, a function of seed and epoch alone."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from runs import After, Silent, byte_tokens, save_base, save_corpus, tiny_experiment
from trained import trained

from mothertongue.data.clip_facts import read_facts
from mothertongue.data.manifest import Utterance, read_data, read_manifest, write_manifest
from mothertongue.data.replay import (
    ReplayConfig,
    is_replayed,
    read_replay,
    replay_of,
    replay_steps,
)
from mothertongue.errors import DataError, Preempted
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.identity import read_identity
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.inference.score_split import check_unseen
from mothertongue.training.dataset import StepDataset
from mothertongue.training.replay import choose_replay, mixed
from mothertongue.training.run import run

TOKENS = byte_tokens()


def save_languages(folder: Path) -> Path:
    """7 clips in English and 3 in French, and held-out ones, whose tones no other corpus has."""
    save_corpus(folder, train=10, validation=2, test=2)
    rows = list(read_manifest(folder))
    languages = ["en"] * 7 + ["fr"] * 3 + ["en"] * 4
    for number, path in enumerate(sorted(folder.glob("*.wav"))):
        path.write_bytes(path.read_bytes() + bytes([number]) * 2)  # other files than save_corpus'
    write_manifest(
        folder / "manifest.jsonl",
        [replace(row, language=name) for row, name in zip(rows, languages, strict=True)],
    )
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A base, a corpus in Swahili, and one in other languages."""
    folder = tmp_path_factory.mktemp("replay")
    base, data = save_base(folder / "base"), save_corpus(folder / "data")
    return base, data, save_languages(folder / "others")


def dataset(made: tuple[Path, Path, Path], *ranks: int, **settings: Any) -> StepDataset:
    _, data, others = made
    train = [each for each in read_data([data]) if each.split == "train"]
    given = {"epochs": 4, "batch_size": 2, "replay": {"data": str(others), "share": 0.25}}
    config = TrainConfig(**(given | settings))
    replayed = read_replay(config.replayed, {"sw"})
    return StepDataset(Path(), train, TOKENS, config, None, *(ranks or (0, 1)), replayed)


def ids(data: StepDataset, epoch: int) -> list[list[str]]:
    """The ids of each step's clips."""
    return [
        [data.utterances[i].id for micro_batch in step for i in micro_batch.indices]
        for step in data.plan(epoch)
    ]


def test_the_share_of_steps() -> None:
    assert [replay_steps(share, 90) for share in (0.1, 0.25, 0.5, 0.001)] == [10, 30, 90, 1]


def test_languages_take_turns_and_no_clip_comes_twice_as_often() -> None:
    languages = ["en"] * 7 + ["fr"] * 3
    epochs = [choose_replay(languages, 5, seed=3, epoch=epoch) for epoch in range(9)]
    seen = Counter(i for epoch in epochs for i in epoch)
    by_language = Counter(languages[i] for epoch in epochs for i in epoch)
    assert sorted(by_language.values()) == [22, 23]
    assert {seen[i] for i in range(7)} <= {3, 4} and {seen[i] for i in range(7, 10)} <= {7, 8}
    assert epochs[4] == choose_replay(languages, 5, seed=3, epoch=4)
    assert epochs != [choose_replay(languages, 5, seed=4, epoch=epoch) for epoch in range(9)]


def test_replayed_steps_are_put_at_random_places_and_all_keep_their_order() -> None:
    own, others = [(f"own{i}",) for i in range(20)], [(f"other{i}",) for i in range(5)]
    found = [mixed(own, others, seed=0, epoch=epoch) for epoch in range(3)]
    for steps in found:
        assert [each for each in steps if each in own] == own
        assert [each for each in steps if each in others] == others
    assert len({tuple(steps) for steps in found}) == 3


def test_a_steps_clips_are_all_replayed_or_none(made: tuple[Path, Path, Path]) -> None:
    data = dataset(made)
    assert data.steps_per_epoch == 8  # 6 of 12 clips, and 2 more: a quarter of all
    for epoch in range(4):
        steps = ids(data, epoch)
        assert len(steps) == 8
        assert Counter(sum(map(is_replayed, step)) for step in steps) == {0: 6, 2: 2}
    replayed = {name for epoch in range(4) for step in ids(data, epoch) for name in step}
    assert {name for name in replayed if is_replayed(name)} <= {
        f"replay:train{i}" for i in range(10)
    }


def test_without_a_replay_the_own_steps_are_the_same(made: tuple[Path, Path, Path]) -> None:
    _, corpus, _ = made
    train = [each for each in read_data([corpus]) if each.split == "train"]
    plain = StepDataset(Path(), train, TOKENS, TrainConfig(epochs=4, batch_size=2))
    with_replay = dataset(made)
    for epoch in range(4):
        own = [step for step in ids(with_replay, epoch) if not is_replayed(step[0])]
        assert own == ids(plain, epoch)


def test_each_clip_has_the_token_of_its_language(made: tuple[Path, Path, Path]) -> None:
    data = dataset(made)
    for clip, label in zip(data.utterances, data.labels, strict=True):
        assert label == TOKENS.label(clip.text, clip.language)
    assert {each.language for each in data.utterances} == {"sw", "en", "fr"}


@pytest.mark.parametrize(("batch_size", "share", "actual"), [(12, 0.1, 1 / 2), (4, 0.3, 1 / 4)])
def test_the_record_has_the_share_that_whole_steps_give(
    made: tuple[Path, Path, Path], batch_size: int, share: float, actual: float
) -> None:
    """An epoch of 1 or 3 own steps has one more, and a page would say 10 % of it."""
    _, data, others = made
    settings = {"data": str(others), "share": share}
    steps = dataset(made, batch_size=batch_size, replay=settings).plan(0)
    replayed = [step for step in steps if step[0].indices[0] >= 12]
    assert len(replayed) / len(steps) == actual
    facts = replay_of(
        ReplayConfig.model_validate(settings),
        read_data([data]) + read_replay([others], {"sw"}),
        batch_size,
    )
    assert facts.share == actual
    assert str(facts).startswith(f"{100 * actual:.0f} % of the steps replay en (")


def test_ranks_share_the_replayed_steps_too(made: tuple[Path, Path, Path]) -> None:
    def labels(data: StepDataset) -> list[Counter[str]]:
        return [
            Counter(name for batch in step if batch.counted for name in batch.ids)
            for step in data.steps_from(0)
        ]

    whole, *shares = (labels(dataset(made, *ranks)) for ranks in ((), (0, 2), (1, 2)))
    assert [sum(parts, Counter()) for parts in zip(*shares, strict=True)] == whole


def test_workers_change_no_batch(made: tuple[Path, Path, Path]) -> None:
    alone, by_two = (
        list(dataset(made, epochs=1, workers=workers).steps_from(0)) for workers in (0, 2)
    )
    for step, other in zip(alone, by_two, strict=True):
        for batch, same in zip(step, other, strict=True):
            assert batch.ids == same.ids
            assert all(map(torch.equal, batch.tensors(), same.tensors()))


def test_the_weight_of_pseudo_labels_does_not_count_for_them(
    made: tuple[Path, Path, Path],
) -> None:
    _, corpus, others = made
    train = [each for each in read_data([corpus]) if each.split == "train"]
    marked: list[Utterance] = [replace(each, average_log_probability=-0.1) for each in train]
    replayed = [
        replace(each, average_log_probability=-0.1) for each in read_replay([others], {"sw"})
    ]
    settings = {"epochs": 1, "pseudo_label_weight": 0.5, "replay": {"data": str(others)}}
    data = StepDataset(
        Path(), marked, TOKENS, TrainConfig.model_validate(settings), replayed=replayed
    )
    factors = {
        name: factor
        for step in data.steps_from(0)
        for batch in step
        if batch.factors_B is not None
        for name, factor in zip(batch.ids, batch.factors_B.tolist(), strict=True)
    }
    assert {factor for name, factor in factors.items() if is_replayed(name)} == {1.0}
    assert {factor for name, factor in factors.items() if not is_replayed(name)} == {0.5}


def make(made: tuple[Path, Path, Path], folder: Path, **changes: Any) -> Experiment:
    base, data, others = made
    given = {"epochs": 1, "replay": {"data": str(others), "share": 0.25}}
    return tiny_experiment(folder, base, data, **(given | changes))


def test_a_stopped_run_continues_to_the_same_weights_and_says_what_it_replays(
    made: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    whole = trained(make(made, tmp_path), tmp_path / "whole")
    stopped = RunDir(tmp_path / "stopped")
    with pytest.raises(Preempted):
        run(make(made, tmp_path), stopped, After(5))
    assert trained(make(made, tmp_path), stopped.path) == whole
    assert trained(make(made, tmp_path, replay=None), tmp_path / "none") != whole
    facts = read_identity(stopped).replay
    assert facts is not None and facts.share == 0.25
    assert {name: each.clips for name, each in facts.languages.items()} == {"en": 7, "fr": 3}
    known = read_facts(stopped.data)
    assert sum(is_replayed(each.id) for each in known) == 10 and len(known) == 18 + 10
    with pytest.raises(DataError, match="was trained on the audio of 7 of the 7 clips"):
        english = [each for each in read_data([made[2]]) if each.language == "en"]
        check_unseen(stopped, [e for e in english if e.split == "train"], "test")


def test_a_run_is_not_continued_with_another_replay(
    made: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    base, data, _ = made
    others = save_languages(tmp_path / "others")
    experiment = make((base, data, others), tmp_path)
    with pytest.raises(Preempted):
        run(experiment, RunDir(tmp_path / "run"), After(2))
    rows = list(read_manifest(others))
    write_manifest(others / "manifest.jsonl", rows[1:])
    with pytest.raises(DataError, match=r"train\.replay\.data: its manifests have changed"):
        run(experiment, RunDir(tmp_path / "run"), Silent())


def test_validation_takes_no_replayed_clip(
    made: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set[str]()
    from mothertongue.training import validator

    evaluate = validator.evaluate

    def watched(transcribe: Any, clips: Any, context: Any) -> Any:
        seen.update(each.id for each in clips)
        return evaluate(transcribe, clips, context)

    monkeypatch.setattr(validator, "evaluate", watched)
    trained(make(made, tmp_path), tmp_path / "run")
    assert seen == {"validation0", "validation1", "validation2"}


def test_what_cannot_be_replayed(made: tuple[Path, Path, Path], tmp_path: Path) -> None:
    base, data, others = made
    with pytest.raises(DataError, match=r"has clips in sw, which the run trains"):
        run(make((base, data, data), tmp_path), RunDir(tmp_path / "a"), Silent())
    rows = [each for each in read_manifest(others) if each.split != "train"]
    write_manifest(tmp_path / "held_out" / "manifest.jsonl", rows)
    with pytest.raises(DataError, match="has no utterance in split 'train'"):
        read_replay([tmp_path / "held_out"], {"sw"})
    with pytest.raises(ValidationError, match="batch_seconds gives no fixed number of steps with"):
        TrainConfig(batch_seconds=60, replay={"data": "x"})


def test_audio_of_the_test_split_is_not_replayed(
    made: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    base, data, _ = made
    (clip,) = [each for each in read_data([data]) if each.id == "test1"]
    write_manifest(
        tmp_path / "leak" / "manifest.jsonl",
        [replace(clip, split="train", language="en", text="something else")],
    )
    with pytest.raises(DataError, match=r"test: 1 of 3 clips have the audio of a clip of train"):
        run(make((base, data, tmp_path / "leak"), tmp_path), RunDir(tmp_path / "r"), Silent())
