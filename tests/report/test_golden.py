"""The files of an earlier release (tests/golden, as it wrote them) are still read."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mothertongue.evaluation.normalizers import NORMALIZERS
from mothertongue.experiment.config import read_experiment
from mothertongue.experiment.identity import read_identity
from mothertongue.experiment.run_dir import RunDir
from mothertongue.report.inputs import read_parts
from mothertongue.report.write import write_report
from mothertongue.training.trackers import flat

GOLDEN = Path(__file__).parents[1] / "golden"
RUNS = sorted((GOLDEN / "runs").iterdir())


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_the_records_of_a_run_are_read(folder: Path) -> None:
    run_dir = RunDir(folder)
    record = run_dir.read_record()
    assert "format_version" not in record
    settings = flat(read_experiment(run_dir).model_dump(mode="json"))
    then = flat(record["experiment"])
    assert {key: settings[key] for key in then} == then
    # Settings that came later are off, so the run can be continued and used again.
    assert {value for key, value in settings.items() if key not in then} <= {"None", "off", 0.0}
    assert read_identity(run_dir)["base_digest"] == record["base_digest"]
    assert run_dir.read_state()["train_s"] == record["train_s"]


def test_a_comparison_is_read_and_has_its_page(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN, tmp_path / "golden"))
    (part,) = read_parts([folder], [])
    (language,) = part.result["languages"].values()
    wers = [row["scores"]["strict"]["wer"] for row in language["strategies"]]
    assert len(wers) == 2
    write_report([folder], out=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert all(f"{100 * wer:.1f}" in page for wer in wers)


def test_a_normalizer_that_came_later_has_no_scores_and_is_hidden_like_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(NORMALIZERS, "latin", replace(NORMALIZERS["raw"], name="latin"))
    folder = Path(shutil.copytree(GOLDEN, tmp_path / "golden"))
    write_report([folder], out=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert '[data-normalizer="latin"] :is(.n-strict, .n-whisper, .n-raw)' in page
    assert '[data-normalizer="raw"] :is(.n-strict, .n-whisper, .n-latin)' in page
