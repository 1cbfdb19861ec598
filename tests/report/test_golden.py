"""The files of an earlier release (tests/golden, as it wrote them) are still read."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mothertongue.comparison.clips import ClipSet
from mothertongue.comparison.dry_run_records import DryRun
from mothertongue.comparison.schema import Comparison
from mothertongue.comparison.selection import Selection
from mothertongue.data.clip_facts import read_facts
from mothertongue.diagnosis.records import DoctorRecord
from mothertongue.evaluation.normalizers import NORMALIZERS
from mothertongue.evaluation.records import SplitScores
from mothertongue.experiment.config import read_experiment
from mothertongue.experiment.identity import read_identity
from mothertongue.experiment.records import Identity, MetricsLine, RunRecord
from mothertongue.experiment.run_dir import RunDir
from mothertongue.report.inputs import read_parts
from mothertongue.report.write import write_report
from mothertongue.system.json_files import read_json, read_json_lines, to_json
from mothertongue.training.records import Plan, WrittenProposal
from mothertongue.training.state import State
from mothertongue.training.trackers import flat

GOLDEN = Path(__file__).parents[1] / "golden"
RUNS = sorted((GOLDEN / "runs").iterdir())


DOCUMENTS = {
    "comparison.json": Comparison,
    "clips.json": list[ClipSet],
    "selection.json": Selection,
    "record.json": RunRecord,
    "identity.json": Identity,
    "state.json": State,
    "test.json": SplitScores,
    "retention-en.json": SplitScores,
    "off-en.json": SplitScores,
}
OLD = [path for path in GOLDEN.rglob("*.json") if path.parent.name != "results"]
RESULTS = {
    "plan.json": Plan,
    "dry_run.json": DryRun,
    "proposal.json": WrittenProposal,
    "doctor.json": DoctorRecord,
}


def kept(old: Any, new: Any) -> bool:
    """Whether what is written now has every key of then, with its value."""
    if isinstance(old, dict):
        return all(key in new and kept(old[key], new[key]) for key in old)
    if isinstance(old, list):
        return len(old) == len(new) and all(map(kept, old, new))
    return bool(old == new)


@pytest.mark.parametrize("path", sorted(OLD), ids=lambda path: path.name)
def test_a_document_is_read_and_no_key_of_it_is_lost(path: Path) -> None:
    stored = json.loads(path.read_text("utf-8"))
    assert "format_version" not in stored
    assert kept(stored, to_json(read_json(path, DOCUMENTS[path.name])))


@pytest.mark.parametrize(("name", "cls"), RESULTS.items(), ids=str)
def test_a_result_has_the_keys_and_the_values_of_before(name: str, cls: Any) -> None:
    path = GOLDEN / "results" / name
    assert to_json(read_json(path, cls)) == json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_the_records_of_a_run_are_read(folder: Path) -> None:
    run_dir = RunDir(folder)
    record = run_dir.read_record()
    settings = flat(read_experiment(run_dir).model_dump(mode="json"))
    recorded = flat(to_json(record.experiment))
    # A setting that is no more was off.
    then = {key: value for key, value in recorded.items() if key in settings or value != "None"}
    assert {key: settings[key] for key in then} == then
    # Settings that came later are off, so the run can be continued and used again.
    assert {value for key, value in settings.items() if key not in then} <= {"None", "off", 0.0}
    assert read_identity(run_dir).base_digest == record.base_digest
    assert run_dir.read_cost().train_s == record.train_s
    facts = [json.loads(line) for line in run_dir.data.read_text("utf-8").splitlines()]
    assert to_json(read_facts(run_dir.data)) == facts
    for line, values in read_json_lines(run_dir.metrics, MetricsLine):
        assert to_json(values) == json.loads(line)


def test_a_comparison_is_read_and_has_its_page(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOLDEN, tmp_path / "golden"))
    (part,) = read_parts([folder], [])
    (language,) = part.result.languages.values()
    wers = [row.scores["strict"].wer for row in language.strategies]
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
