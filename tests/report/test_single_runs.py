"""The page of single runs has what the commands beside `train` leave in their folders."""

from pathlib import Path
from typing import Any

import pytest
from comparison_results import ENVIRONMENT, comparison, scores, with_averages
from known_corpus import spoken
from report_folders import finished_run, run_record, save_tested, score_run

from mothertongue.errors import DataError
from mothertongue.experiment.run_dir import RunDir
from mothertongue.report.inputs import read_parts
from mothertongue.report.tables.long_form_sheets import long_form_sheets
from mothertongue.report.write import write_report
from mothertongue.system.files import write_json

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def _tested(tmp_path: Path) -> None:
    save_tested(tmp_path / "data")


def whole(wer: float) -> Json:
    """Scores with their counts."""
    counts = ("substitutions", "deletions", "insertions", "reference_words", "reference_characters")
    facts = dict.fromkeys(counts, 1) | {"interval95_by_speaker": None, "context": "full"}
    facts |= {"normalizer_version": "1"}
    return {name: each | facts | {"normalizer": name} for name, each in scores(wer).items()}


def long_scores(wer: float, **changes: Any) -> Json:
    """Two recordings of five minutes with this WER; 80 % of it where their clips are alone."""
    recording = {"id": "a ... b", "language": "sw", "parts": 9, "duration_s": 300.0}
    recording |= {"reference": "moja", "hypothesis": "moja"}
    times = {"parts": 18, "starts_found": 9, "median_start_error_s": 0.123}
    return {
        "model": "runs/one",
        "kind": "run",
        "data": "data",
        "split": "test",
        "language": "sw",
        "pause_s": 0.5,
        "recordings": [recording, recording],
        "scores": whole(wer),
        "scores_clips": whole(0.8 * wer),
        "ratio": {"measure": "wer", "ratio": 1.25, "interval95": [1.1, 1.4]},
        "times": times | {"ends_found": 0, "median_end_error_s": None},
        "data_digest": "d",
        "decoding": {"beam_size": 5, "vad": "silero", "lm": "lm", "lm_weight": 0.2},
        "environment": ENVIRONMENT,
    } | changes


def swept(folder: Path, **changes: Any) -> Path:
    """A run that `average --with-base sweep` wrote."""
    run = finished_run(folder)
    (facts, _) = with_averages(comparison())["languages"]["sw"]["weight_averages"]
    averaged = {"run": "runs/a", "weights_sha256": "w", "seed": 0, "validation": None}
    facts |= {"retention_clips": {"en": 200, "de": 200}, "retention_digests": {}}
    facts["runs"] = [averaged]
    record = run_record(name=folder.name, data=str(folder.parent / "data")) | {
        "average": {key: facts[key] for key in facts if key not in ("scores", "strategy")} | changes
    }
    write_json(RunDir(run).record, record)
    return run


def page(*folders: Path) -> str:
    return Path(write_report(list(folders)).page).read_text("utf-8")


def chapter(html: str, name: str) -> str:
    return html.partition(f'<section id="{name}">')[2].partition("</section>")[0]


def test_long_recordings_stand_beside_their_clips(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "one")
    assert "Long recordings" not in page(run)
    write_json(RunDir(run).evaluation("long-test"), long_scores(0.25))
    write_json(RunDir(run).evaluation("base-long-test"), long_scores(0.8, times=None))
    other = long_scores(0.5, scores_clips=None, ratio=None)
    write_json(RunDir(run).evaluation("long-also-radio-12345678"), other)
    (part,) = read_parts([run], [])
    radio, test = long_form_sheets("sw", part.runs, "strict")
    assert test.title == "sw: long recordings of test"
    how = ("5 beams, VAD silero, LM 0.2", "2", "10.0")
    clips = ("20.0", "18.0-22.0", "1.25", "1.10-1.40")
    assert test.rows[1] == ("full", "one", *how, "25.0", "23.0-27.0", *clips, "0.12", "-")
    assert test.rows[0][:2] == ("base (untouched)", "-") and test.rows[0][-2:] == ("-", "-")
    assert radio.title == "sw: long recordings of radio-12345678"
    assert radio.rows[0][7:] == ("-", "-", "-", "-", "0.12", "-")
    html = page(run)
    assert '<a href="#long">Long recordings</a>' in html
    assert "23.0-27.0" in chapter(html, "long") and "radio-12345678" in chapter(html, "long")


def test_two_runs_of_one_base_have_one_row_of_it(tmp_path: Path) -> None:
    runs = [finished_run(tmp_path / name, seed=seed) for seed, name in enumerate("ab")]
    for number, run in enumerate(runs):
        write_json(RunDir(run).evaluation("long-test"), long_scores(0.2 + number / 10))
        write_json(RunDir(run).evaluation("base-long-test"), long_scores(0.8))
    (part,) = read_parts(runs, [])
    (sheet,) = long_form_sheets("sw", part.runs, "strict")
    assert [row[1] for row in sheet.rows] == ["-", "a", "b"]


def test_damaged_scores_of_long_recordings_are_named(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "one")
    path = RunDir(run).evaluation("long-test")
    write_json(path, long_scores(0.25) | {"times": {"parts": "many"}})
    with pytest.raises(DataError, match=r"long-test\.json"):
        read_parts([run], [])


def test_the_sweep_of_an_average_is_drawn(tmp_path: Path) -> None:
    plain = finished_run(tmp_path / "one")
    assert 'id="averages"' not in page(plain)
    html = page(swept(tmp_path / "mean"))
    found = chapter(html, "averages")
    assert "mean, alpha 0.7: WER 21.0 %, other languages WER 17.8 %" in found
    assert "sw: averages of weights, chosen on validation, 211 clips" in found
    assert "sw: between the base and the tuned weights, on validation" in found
    assert "on the test split" not in found
    assert '<a href="#averages">Averages</a>' in html


def test_the_page_of_a_sweep_with_test_scores_has_them_in_its_results(tmp_path: Path) -> None:
    run = swept(tmp_path / "mean")
    score_run(run, "test", spoken())
    html = page(run)
    assert "mean, alpha 0.7" in chapter(html, "averages") and 'id="table"' in html


def test_an_average_that_was_not_scored_has_no_table(tmp_path: Path) -> None:
    point = {"alpha": 1.0, "validation": None, "retention": None}
    facts = {"curve": [point], "best_run": None, "difference": None, "alpha": 1.0}
    assert 'id="averages"' not in page(swept(tmp_path / "mean", **facts))
