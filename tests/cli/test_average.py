"""Test the verb `average` as a user types it."""

import json
from pathlib import Path
from typing import Any

import pytest
from runs import Silent, save_base, save_corpus, tiny_experiment

import mothertongue as mt
from mothertongue.experiment.run_dir import RunDir
from mothertongue.training.run import run


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    base, corpus = save_base(tmp_path / "base"), save_corpus(tmp_path / "data")
    run(tiny_experiment(tmp_path, base, corpus, epochs=1), RunDir(tmp_path / "run"), Silent())
    return tmp_path / "run"


def test_a_sweep_prints_a_table_and_draws_a_chart(call: Any, tuned: Path, tmp_path: Path) -> None:
    out, sets = tmp_path / "mixed", ("--retention", tmp_path / "data")
    words = ("average", tuned, "--with-base", "sweep", *sets, "--out", out)
    code, said, err = call(*words, "--json", tmp_path / "result.json")
    assert code == 0, err
    facts = json.loads((tmp_path / "result.json").read_text())["average"]
    assert facts["retention_clips"] == {str(tmp_path / "data"): 3}
    assert said.count(", taken") == 1 and f"alpha {facts['alpha']:g}, taken" in said
    assert "others' WER" in said and "its best run" in " ".join(said.split())
    assert "<svg" in (out / "interpolation.svg").read_text("utf-8")
    assert '<section id="averages">' in (out / "report.html").read_text("utf-8")
    code, _, err = call(*words)
    assert (code, "there is something already" in err) == (2, True)
    code, _, err = call("average", tuned, "--out", tmp_path / "x")
    assert (code, "Traceback" in err, "expected two or more" in err) == (2, False, True)


def test_a_program_averages_too(tuned: Path, tmp_path: Path) -> None:
    record = mt.average([tuned], tmp_path / "half", with_base=0.5)
    assert (record["run"], record["average"]["alpha"]) == (str(tmp_path / "half"), 0.5)
