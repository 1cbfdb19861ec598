"""A run is scored on what it was trained beside, and on nothing that it was trained on."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clips import tone, write_clip
from runs import save_corpus, write_experiment

from mothertongue.data.leaks import LeakCounts
from mothertongue.data.manifest import Split, data_digest, read_data, read_manifest, write_manifest
from mothertongue.decoding.transcript import DecodeConfig, Transcript
from mothertongue.errors import DataError, MothertongueError
from mothertongue.evaluation.records import SplitScores
from mothertongue.experiment.identity import write_identity
from mothertongue.experiment.run_dir import RunDir
from mothertongue.inference.engine import Engine
from mothertongue.inference.evaluate_run import evaluate_run
from mothertongue.system.json_files import read_json


class Mute:
    """A transcriber that writes nothing."""

    decoded = 0

    def __call__(self, audio: Any, language: str | None) -> list[Transcript]:
        Mute.decoded += len(audio)
        return [Transcript("", "sw", (), 0.0) for _ in audio]

    def decode(self, clips: Any) -> list[Transcript]:
        raise AssertionError


def opened(model: str, *, borrow: Mapping[str, str] | None = None) -> Engine:
    tokens: Any = None
    return Engine("ctranslate2", lambda *_: Mute(), {}, tokens)


def score(run_dir: RunDir, data: Path | None = None, split: Split = "test") -> SplitScores:
    return evaluate_run(run_dir, data, split, None, DecodeConfig(), opened, False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return save_corpus(tmp_path / "data")


@pytest.fixture
def run_dir(data: Path, tmp_path: Path) -> RunDir:
    """A run on the data, as far as scores are concerned."""
    run_dir = RunDir(tmp_path / "run")
    run_dir.path.mkdir()
    write_experiment(run_dir.path, tmp_path / "base", data)
    write_identity(run_dir, "b", [data], read_data([data]), print)
    run_dir.record.touch()
    return run_dir


def test_what_it_shares_with_training_is_counted(run_dir: RunDir, capsys: Any) -> None:
    leaks = score(run_dir).leaks
    assert leaks == LeakCounts(clips=3, audio=0, sentences=3, speakers=3)
    assert read_json(run_dir.evaluation("test"), SplitScores).leaks == leaks
    assert "test: of 3 clips 3 share a sentence and 3 share a speaker" in capsys.readouterr().err


def test_its_own_data_must_be_what_it_was_trained_on(run_dir: RunDir, data: Path) -> None:
    clips = list(read_manifest(data))
    write_manifest(data / "manifest.jsonl", clips[1:])
    with pytest.raises(DataError, match=r"not scored without --data:\n.* clips 1 gone"):
        score(run_dir)
    write_manifest(data / "manifest.jsonl", clips)
    write_clip(data / "test0.wav", tone(0.5, 3000.0))
    with pytest.raises(DataError, match=r"audio: 1 files, such as .*test0\.wav"):
        score(run_dir, data)
    assert not run_dir.evaluation("test").exists()


def test_other_data_must_have_no_audio_that_it_was_trained_on(
    run_dir: RunDir, tmp_path: Path
) -> None:
    other = save_corpus(tmp_path / "other")
    clips = [
        replace(each, split="test") for each in read_manifest(other) if each.split != "validation"
    ]
    write_manifest(other / "manifest.jsonl", clips)
    with pytest.raises(
        DataError, match="audio of 12 of the 15 clips of this split 'test': train0, train1,"
    ):
        score(run_dir, other)
    write_manifest(other / "manifest.jsonl", clips[12:])
    score(run_dir, other)
    assert run_dir.evaluation(f"also-other-{data_digest([other])[:8]}").is_file()


def test_its_training_clips_are_scored_under_their_own_name(run_dir: RunDir) -> None:
    result = score(run_dir, split="train")
    assert result.leaks is not None and result.leaks.audio == result.leaks.clips == 12
    assert run_dir.evaluation("also-train").is_file()


def test_pseudo_labels_are_not_scored(run_dir: RunDir, tmp_path: Path) -> None:
    clips = list(read_manifest(save_corpus(tmp_path / "pseudo", validation=0, test=0)))
    pseudo = [replace(each, average_log_probability=-0.5) for each in clips]
    write_manifest(tmp_path / "pseudo" / "manifest.jsonl", pseudo)
    with pytest.raises(DataError, match="12 of the 12 utterances to score have pseudo-labels"):
        score(run_dir, tmp_path / "pseudo", "train")


def test_scores_on_data_in_folders_of_one_name_are_kept_apart(
    run_dir: RunDir, tmp_path: Path
) -> None:
    for home, count in (("a", 1), ("b", 2)):
        other = save_corpus(tmp_path / home / "radio", train=0, validation=0, test=count)
        for i in range(count):
            write_clip(other / f"test{i}.wav", tone(0.5 + 0.7 * i, 4000.0 + 100 * i + count))
        score(run_dir, other)
    found = [json.loads(path.read_text()) for path in (run_dir.path / "eval").iterdir()]
    assert sorted(len(each["utterances"]) for each in found) == [1, 2]


def test_a_run_that_cannot_keep_scores_is_not_scored(
    run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mute, "decoded", 0)
    (run_dir.path / "eval").write_text("a file where scores should be")
    with pytest.raises(
        MothertongueError, match=r"eval/test\.json: cannot be written \(.*; the sco"
    ):
        score(run_dir)
    assert Mute.decoded == 0


def test_scores_of_an_unfinished_run_are_not_kept(run_dir: RunDir, capsys: Any) -> None:
    """Its best weights may be others when it has finished, and its page would show these scores."""
    run_dir.record.unlink()
    assert score(run_dir).scores
    told = " ".join(capsys.readouterr().err.split())
    assert "is not finished, so its scores are not kept" in told
    assert not run_dir.evaluation("test").exists()


def test_clips_of_other_languages_under_the_runs_own_are_not_kept(
    run_dir: RunDir, data: Path
) -> None:
    """The run has clips in two languages; all are decoded under one."""
    clips = list(read_manifest(data))
    french = [replace(each, language="fr") if each.id == "test0" else each for each in clips]
    write_manifest(data / "manifest.jsonl", french)
    write_identity(run_dir, "b", [data], read_data([data]), print)
    evaluate_run(run_dir, None, "test", "sw", DecodeConfig(), opened, False)
    assert not run_dir.evaluation("test").exists()
    score(run_dir)
    assert run_dir.evaluation("test").exists()


def test_scores_of_another_base_are_not_kept(run_dir: RunDir) -> None:
    """A folder may have other weights than when the run was tuned from it."""

    def of_other_weights(model: str, *, borrow: Mapping[str, str] | None = None) -> Engine:
        return replace(opened(model, borrow=borrow), base_digest="c")

    with pytest.raises(DataError, match="its digest is c, but the runs were tuned from one of b"):
        evaluate_run(run_dir, None, "test", None, DecodeConfig(), of_other_weights, True)
    assert not run_dir.evaluation("base-test").exists()
