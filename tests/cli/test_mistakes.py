"""Paths and options that a user mixes up: one message before the work, and nothing is replaced."""

import os
from pathlib import Path
from typing import Any

import pytest
from runs import save_base, save_corpus, write_experiment

from mothertongue.cli.support import explained, show


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base, data, an experiment, what looks like a run, and an adapter."""
    folder = tmp_path_factory.mktemp("mistakes")
    base, data = save_base(folder / "base"), save_corpus(folder / "data")
    write_experiment(folder, base, data, epochs=1)
    (folder / "run").mkdir()
    (folder / "run/experiment.yaml").touch()
    (folder / "adapter").mkdir()
    (folder / "adapter/adapter_config.json").write_text('{"peft_type": "LORA"}')
    return folder


@pytest.fixture(autouse=True)
def _there(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in that folder."""
    monkeypatch.chdir(made)


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("train data", 2, "data: a folder; expected a YAML file"),
        ("train run", 2, "run: a folder; expected a YAML file, such as run/experiment.yaml"),
        ("compare run", 2, "run: a folder; expected a YAML file, such as run/experiment.yaml"),
        ("train experiment.yaml --out data", 2, "data: has manifest.jsonl, which is not of this"),
        ("train experiment.yaml --out base", 2, "base: has config.json, which is not of this run"),
        ("train experiment.yaml --out .", 2, ".: has experiment.yaml, which is not of this run"),
        ("train experiment.yaml --out experiment.yaml", 2, "experiment.yaml: there is a file; "),
        ("export data --format hf", 65, "data: not a run; give a folder that mothertongue train"),
        ("check data --json data", 2, "data: a folder; expected the name of a file to write"),
        ("check data --json /dev/null", 2, "/dev/null: a device or a pipe; expected the name of"),
        ("check data --json data/test0.wav/x", 1, "data/test0.wav/x: cannot be written ("),
        ("report run --out data", 2, "data: a folder; expected the name of a file to write"),
        ("init data --out data/test0.wav/x", 1, "x: cannot be written (it is below a file)"),
        ("transcribe adapter data --engine ctranslate2", 2, "an adapter is decoded by torch on"),
        ("transcribe adapter data --compute-type int8", 2, "--compute-type int8 is CTranslate2's"),
        ("transcribe base data --format srt --json -", 2, "--format srt has no effect: --json -"),
        ("transcribe base data --out ", 2, "an argument: got nothing, expected a value; leave"),
        ("transcribe base data --language=", 2, "--language=: got nothing, expected a value"),
        ("doctor data --folds 2 --model base", 2, "--model has no effect with --folds"),
        ("doctor data --folds 2 --batch-size 16", 2, "--batch-size has no effect with --folds"),
        ("evaluate mine", 2, "mine: not a run's folder, which would know its data; give one, such"),
        ("label mine data --out x", 2, "mine: not a run's folder, which would know its language;"),
        (
            "evaluate base --data data --lm-weight 1",
            2,
            ": lm_weight without lm has no effect; name",
        ),
        ("serve base --max-upload-mb 1e999", 2, "'--max-upload-mb'"),
        ("report run --audio-mb inf", 2, "'--audio-mb'"),
        ("doctor data --audio-mb inf", 2, "'--audio-mb'"),
        ("export run --format hf --max-wer-loss inf", 2, "'--max-wer-loss'"),
    ],
)
def test_is_one_message_and_nothing_changes(
    call: Any, made: Path, line: str, code: int, message: str
) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*") if path.is_file()}
    got, out, err = call(*line.split(" "))
    assert message in " ".join(err.split())
    assert (got, out, "Traceback" in err) == (code, "", False)
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*") if path.is_file()} == before


def test_check_names_no_file_that_it_does_not_write(call: Any, tmp_path: Path) -> None:
    rows = tmp_path / "manifest.jsonl"
    rows.write_text('{"sound": "a.wav"}\n', encoding="utf-8")
    code, _, err = call("check", rows, "--base", "./base")
    assert (code, "rejected.jsonl" in err) == (65, False)
    assert "1 of 1 rows rejected" in " ".join(err.split())


def test_folds_are_written_with_the_options_that_they_have(call: Any, tmp_path: Path) -> None:
    code, _, err = call("doctor", "data", "--folds", "2", "--out", tmp_path)
    assert (code, err) == (0, "")
    assert (tmp_path / "fold2/manifest.jsonl").is_file()


def test_an_empty_override_is_a_value(call: Any, made: Path) -> None:
    code, _, err = call("train", "experiment.yaml", "train.epochs=", "--out", "data")
    assert (code, "has manifest.jsonl" in err) == (2, True)


def test_a_name_that_json_cannot_have_is_refused_before_the_work(call: Any, tmp_path: Path) -> None:
    sound = tmp_path / os.fsdecode(b"\xff.wav")
    sound.touch()
    code, out, err = call("transcribe", "nowhere", sound, "--json", tmp_path / "a.json")
    assert (code, out, "rename the file" in err) == (1, "", True)


def test_a_place_without_permission_is_said_with_what_to_do() -> None:
    error = PermissionError(13, "Permission denied", "runs/mine/lock")
    assert explained(error) == (
        "runs/mine/lock: Permission denied; change its permissions, or give another path"
    )


def test_json_for_dev_stdout_goes_to_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = os.lstat("/dev/stdout").st_ino
    show({"a": 1}, "a table", Path("/dev/stdout"))
    assert capsys.readouterr().out == '{\n  "a": 1\n}\n'
    assert os.lstat("/dev/stdout").st_ino == before
