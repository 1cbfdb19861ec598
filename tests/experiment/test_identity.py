"""What a run is made from, and how a change of it is said."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from clips import tone, write_clip
from runs import save_corpus

from mothertongue.data.manifest import read_data, read_manifest, write_manifest
from mothertongue.errors import DataError
from mothertongue.experiment.identity import (
    code_changes,
    data_changes,
    read_identity,
    refuse_changes,
    write_identity,
)
from mothertongue.experiment.run_dir import RunDir
from mothertongue.model.tokenizer import LABEL_RULES
from mothertongue.system.files import write_json


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return save_corpus(tmp_path / "data")


@pytest.fixture
def run_dir(data: Path, tmp_path: Path) -> RunDir:
    run_dir = RunDir(tmp_path / "run")
    write_identity(run_dir, "b", [data], read_data([data]), print)
    return run_dir


def test_the_same_data_is_the_same_wherever_it_lies(run_dir: RunDir, data: Path) -> None:
    assert data_changes(run_dir, [data]) == []
    copy = data.with_name("copy")
    shutil.copytree(data, copy, copy_function=shutil.copyfile)  # with times of their own
    shutil.rmtree(data)
    assert data_changes(run_dir, [copy]) == []


def test_a_changed_manifest_is_said_in_counts(run_dir: RunDir, data: Path) -> None:
    clips = list(read_manifest(data))
    clips[0] = replace(clips[0], split="test")
    clips[1] = replace(clips[1], text="kitu kingine")
    clips[2] = replace(clips[2], id="other")
    write_manifest(data / "manifest.jsonl", clips)
    (said,) = data_changes(run_dir, [data])
    assert said == (
        f"manifest {data}/manifest.jsonl: clips 1 new, 1 gone, 1 in another split, 1 with other "
        "words, 1 held out that were trained on"
    )


def test_a_change_that_touches_no_clip_is_a_change_all_the_same(
    run_dir: RunDir, data: Path
) -> None:
    write_manifest(data / "manifest.jsonl", reversed(list(read_manifest(data))))
    (said,) = data_changes(run_dir, [data])
    assert "other values, or another order of its clips" in said


def test_audio_is_read_where_its_time_differs(run_dir: RunDir, data: Path) -> None:
    os.utime(data / "train0.wav", ns=(1, 1))
    assert data_changes(run_dir, [data]) == []
    write_clip(data / "train0.wav", tone(0.5, 3000.0))  # as many bytes
    assert data_changes(run_dir, [data]) == [f"audio: 1 files, such as {data}/train0.wav"]


def test_other_versions_and_label_rules_are_said(run_dir: RunDir) -> None:
    identity = read_identity(run_dir)
    assert code_changes(run_dir) == []
    assert identity.label_rules == LABEL_RULES
    assert "+" not in str(identity.packages["torch"])
    older = replace(identity, packages=identity.packages | {"torch": "1.0"}, label_rules=1)
    write_json(run_dir.identity, older)
    rules, torch = code_changes(run_dir)
    assert rules == f"label rules: were 1, now {LABEL_RULES}"
    assert torch.startswith("torch: was 1.0, now 2.")
    assert torch.endswith("(pip install torch==1.0 has it back)")


def test_changes_are_refused_with_what_to_type(run_dir: RunDir) -> None:
    refuse_changes(run_dir, [], "continued")
    with pytest.raises(DataError, match="not continued:\n  x: was 1, now 2\n") as raised:
        refuse_changes(run_dir, ["x: was 1, now 2"], "continued")
    assert f"give another --out, or remove {run_dir.path}" in str(raised.value)


def test_a_run_that_did_not_write_down_its_clips_is_refused(run_dir: RunDir, data: Path) -> None:
    lines = run_dir.data.read_text("utf-8").splitlines()
    assert json.loads(lines[0])["id"] == "train0"
    run_dir.data.write_text(lines[0][:-5], "utf-8")
    with pytest.raises(DataError, match=r"data\.jsonl:1: damaged"):
        data_changes(run_dir, [data])
    run_dir.data.unlink()
    with pytest.raises(DataError, match="earlier version"):
        data_changes(run_dir, [data])
