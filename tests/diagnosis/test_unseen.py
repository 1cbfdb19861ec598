"""Test which model recognizes a clip, with runs that trained on known clips."""

from pathlib import Path

import pytest
from runs import save_corpus

from mothertongue.data.clip_facts import facts_of, write_facts
from mothertongue.data.manifest import read_data
from mothertongue.diagnosis.folds import write_folds
from mothertongue.diagnosis.unseen import shares_of, warnings_of
from mothertongue.errors import DataError


def run_on(data: Path, folder: Path) -> str:
    """Write the files by which a run is known, and its data."""
    folder.mkdir()
    (folder / "experiment.yaml").touch()
    write_facts(folder / "data.jsonl", facts_of(read_data([data])))
    return str(folder)


def test_a_run_that_did_not_train_on_a_clip_recognizes_it(tmp_path: Path) -> None:
    data = save_corpus(tmp_path / "data", train=7, validation=2, test=1)
    folds = list(write_folds(data, tmp_path / "doctor", 2))
    runs = [run_on(fold, tmp_path / f"run{number}") for number, fold in enumerate(folds)]
    clips = read_data([data])
    held_out = {clip.id for clip in clips if clip.split != "train"}
    first, second = shares_of(runs, clips)
    assert {clip.id for clip in first.clips} == {clips[i].id for i in (0, 2, 4, 6)} | held_out
    assert {clip.id for clip in second.clips} == {clips[i].id for i in (1, 3, 5)}
    assert warnings_of([first, second]) == []


def test_clips_on_which_every_model_trained_are_counted(tmp_path: Path) -> None:
    data = save_corpus(tmp_path / "data", train=7, validation=2, test=1)
    run, clips = run_on(data, tmp_path / "run"), read_data([data])
    (share,) = shares_of([run], clips)
    assert (len(share.clips), share.num_trained) == (10, 7)
    (warning,) = warnings_of([share])
    assert warning.startswith(f"{run} trained on 7 of the 10 clips")
    own, base = shares_of([run, "openai/whisper-base"], clips)
    assert (len(own.clips), own.num_trained, len(base.clips)) == (3, 0, 7)


def test_folds_need_a_clip_each(tmp_path: Path) -> None:
    data = save_corpus(tmp_path / "data", train=2, validation=1, test=1)
    with pytest.raises(DataError, match="2 training clips; expected 3 or more"):
        list(write_folds(data, tmp_path, 3))
