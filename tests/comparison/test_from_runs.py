"""Runs that were made one by one, as one comparison."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from comparison_results import ENVIRONMENT
from known_corpus import spoken
from report_folders import finished_run, save_tested, score_run

from mothertongue.comparison.from_runs import compare_runs
from mothertongue.data.manifest import data_digest, read_data, read_manifest, write_manifest
from mothertongue.errors import DataError
from mothertongue.experiment.identity import write_identity
from mothertongue.experiment.run_dir import RunDir
from mothertongue.report.inputs import read_parts
from mothertongue.report.tables.csv_files import csv_files
from mothertongue.report.text.recommendation import advice
from mothertongue.system.files import write_json

Json = dict[str, Any]

PERFECT = [replace(each, hypothesis=each.reference) for each in spoken()]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    save_tested(tmp_path / "data")
    return tmp_path


def test_a_run_beside_its_base(home: Path) -> None:
    run = finished_run(home / "one")
    score_run(run, "test", PERFECT)
    score_run(run, "base-test", spoken())
    result, (clips,) = compare_runs([run])
    found = result.languages["sw"]
    assert found.base.scores["strict"].wer == pytest.approx(3 / 8)
    (row,) = found.strategies
    assert (row.strategy, row.scores["strict"].wer) == ("full", 0)
    assert row.vs_base.difference == pytest.approx(-3 / 8)
    assert row.wall_s == 100.0
    assert clips.systems == ["base", "full"]
    assert result.curves[0].wer == 0.2


def test_seeds_are_one_row_and_other_settings_another(home: Path) -> None:
    runs = [
        finished_run(home / "a", seed=0),
        finished_run(home / "b", seed=1),
        finished_run(home / "c", kind="lora"),
    ]
    for run, rows in zip(runs, (PERFECT, spoken(), spoken()), strict=True):
        score_run(run, "test", rows)
    result, (clips,) = compare_runs(runs)
    rows = {row.strategy: row for row in result.languages["sw"].strategies}
    assert list(rows) == ["full", "lora"] == clips.systems
    assert rows["full"].runs == ["a", "b"]
    assert rows["full"].scores["strict"].wer == pytest.approx(3 / 16)
    assert rows["lora"].vs_reference.difference == pytest.approx(3 / 8 - 3 / 16)
    assert result.reference == "full"
    assert result.seeds == [0, 1]
    assert result.languages["sw"].base is None


def test_two_rows_of_a_kind_go_by_the_names_of_their_runs(home: Path) -> None:
    runs = [
        finished_run(home / name, strategy={"kind": "freeze", "n": n})
        for n, name in [(1, "a"), (2, "b")]
    ]
    for run in runs:
        score_run(run, "test", PERFECT)
    result, _ = compare_runs(runs)
    assert [row.strategy for row in result.languages["sw"].strategies] == ["a", "b"]


def test_other_sets_are_compared_where_the_base_has_them_too(home: Path) -> None:
    run = finished_run(home / "one")
    for name, rows in (("test", PERFECT), ("base-test", spoken()), ("also-x", PERFECT)):
        score_run(run, name, rows)
    (row,) = compare_runs([run])[0].languages["sw"].strategies
    assert row.also == {}
    score_run(run, "base-also-x", spoken())
    (row,) = compare_runs([run])[0].languages["sw"].strategies
    assert row.also["also-x"].vs_base.difference == pytest.approx(-3 / 8)


def test_a_run_without_test_scores_has_a_point_and_no_row(home: Path) -> None:
    result, clips = compare_runs([finished_run(home / "one")])
    assert result.languages["sw"].strategies == clips == []
    assert result.curves[0].run == "one"


def test_a_copy_of_a_run_is_no_further_seed(home: Path) -> None:
    runs = [finished_run(home / name) for name in ("a", "b")]
    for run in runs:
        score_run(run, "test", PERFECT)
    with pytest.raises(DataError, match=r"a, .*b: the same settings and the same seed, 0"):
        compare_runs(runs)
    with pytest.raises(DataError, match="the same seed, 0"):
        compare_runs([runs[0], runs[0]])


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"decoding": {"beam_size": 5}}, r"beam_size: 5 in .*/test\.json, 1 in .*/base-test\.json"),
        (
            {"environment": ENVIRONMENT | {"packages": {"torch": "2.0+cpu"}}},
            r"torch: 2\.0 in .*/test\.json",
        ),
    ],
)
def test_a_page_never_mixes_decodings_or_versions(home: Path, facts: Json, message: str) -> None:
    run = finished_run(home / "one")
    greedy = {"decoding": {"beam_size": 1, "weights": "best"}}
    greedy["environment"] = ENVIRONMENT | {"packages": {}}
    score_run(run, "test", PERFECT, **(greedy | facts))
    score_run(run, "base-test", spoken(), **(greedy | {"decoding": {"beam_size": 1}}))
    with pytest.raises(DataError, match=message) as raised:
        compare_runs([run])
    assert "mothertongue evaluate RUN --with-base" in str(raised.value)
    score_run(run, "test", PERFECT, **greedy)
    assert len(compare_runs([run])[0].languages["sw"].strategies) == 1


def test_trainings_by_other_code_and_shared_clips_are_doubts(home: Path) -> None:
    one, two = finished_run(home / "one"), finished_run(home / "two", kind="lora")
    identity = json.loads((two / "identity.json").read_text())
    write_json(two / "identity.json", identity | {"label_rules": 2})
    counts = {"clips": 4, "audio": 0, "sentences": 3, "speakers": 0}
    score_run(one, "test", PERFECT, leaks=counts)
    score_run(two, "test", PERFECT, leaks=counts)
    result, _ = compare_runs([one, two])
    assert result.languages["sw"].doubts == [
        "The runs were trained by different code: label rules was 1 for one; 2 for two.",
        "Set test: of 4 clips 3 share a sentence with the training clips; other speech may fare "
        "worse.",
    ]
    found = advice(result, "sw")
    assert found and set(result.languages["sw"].doubts) <= set(found.doubts)


def test_a_manifest_that_changed_is_refused(home: Path) -> None:
    clips = list(read_manifest(home / "data"))
    run = finished_run(home / "one")
    write_identity(RunDir(run), "b", [home / "data"], read_data([home / "data"]), print)
    write_manifest(home / "data/manifest.jsonl", clips[1:])
    with pytest.raises(DataError, match=r"not reported:\n  manifest .*: clips 1 gone"):
        compare_runs([run])


def test_what_cannot_be_compared_is_refused(home: Path) -> None:
    one, two = finished_run(home / "one"), finished_run(home / "two", kind="lora")
    score_run(one, "test", PERFECT, "d")
    score_run(two, "test", PERFECT, "e")
    with pytest.raises(DataError, match=r"different clips of test: d \(3 clips\), e \(3 clips\)"):
        compare_runs([one, two])
    other = finished_run(home / "three", base="openai/whisper-tiny")
    with pytest.raises(DataError, match="different base"):
        compare_runs([one, other])
    (home / "one" / "record.json").unlink()
    with pytest.raises(DataError, match="no finished run"):
        compare_runs([one])


def test_a_language_without_word_spaces_is_judged_by_cer(home: Path) -> None:
    one = finished_run(home / "one", language="th")
    score_run(one, "test", PERFECT)
    result, (clips,) = compare_runs([one])
    assert (result.languages["th"].measure, clips.measure) == ("cer", "cer")
    asked = finished_run(home / "two", language="th", select_by="wer")
    score_run(asked, "test", PERFECT)
    assert compare_runs([asked])[0].languages["th"].measure == "wer"
    with pytest.raises(DataError, match="different select_by: cer, wer"):
        compare_runs([one, asked])


def test_seeds_of_one_row_were_chosen_at_their_mean(home: Path) -> None:
    for seed, wer in ((0, 0.2), (1, 0.4)):
        run = finished_run(home / f"seed{seed}", seed=seed)
        score_run(run, "test", PERFECT)
        record = json.loads((run / "record.json").read_text())
        facts = {"best_validation_wer": wer, "best_validation_cer": wer / 4}
        write_json(run / "record.json", record | facts)
    (row,) = compare_runs([home / "seed0", home / "seed1"])[0].languages["sw"].strategies
    assert (row.chosen_at_wer, row.chosen_at_cer) == pytest.approx((0.3, 0.075))


def weighed(weight: float, *tried: float, digest: str = "a") -> Json:
    """Return scores whose language model was weighed on validation clips, or by hand."""
    trials = [{"weight": each, "wer": 0.5, "cer": 0.2} for each in tried]
    lm = {"arpa_sha256": digest, "clips_with_seen_sentences": 0, "trials": trials}
    return {"decoding": {"lm": "lm", "lm_sha256": digest, "lm_weight": weight}, "lm": lm}


def test_each_system_has_its_own_weight_of_a_language_model(home: Path) -> None:
    """`evaluate RUN --with-base --lm` chooses one for each on validation clips."""
    run = finished_run(home / "one")
    score_run(run, "test", PERFECT, **weighed(0.2, 0.0, 0.2))
    score_run(run, "base-test", spoken(), **weighed(0.0, 0.0, 0.2))
    (row,) = compare_runs([run])[0].languages["sw"].strategies
    assert row.vs_base.difference == pytest.approx(-3 / 8)
    score_run(run, "base-test", spoken(), **weighed(0.0))
    with pytest.raises(DataError, match="decoded differently"):
        compare_runs([run])
    score_run(run, "base-test", spoken(), **weighed(0.2, 0.0, 0.2, digest="b"))
    with pytest.raises(DataError, match="lm_sha256: "):
        compare_runs([run])


def test_seeds_are_one_row_whatever_machine_trained_them(home: Path) -> None:
    """Settings with which a run may be continued change no result."""
    runs = [
        finished_run(home / "a", train={"seed": 0, "workers": 0, "zero": 0}),
        finished_run(home / "b", train={"seed": 1, "workers": 8, "zero": 3}),
        finished_run(home / "c", train={"seed": 1, "workers": 4}),
    ]
    for run in runs:
        score_run(run, "test", spoken())
    (row,) = compare_runs(runs[:2])[0].languages["sw"].strategies
    assert row.runs == ["a", "b"]
    with pytest.raises(DataError, match=r"the same settings and the same seed, 1"):
        compare_runs(runs)


def test_runs_of_one_base_by_name_and_two_by_weights_are_refused(home: Path) -> None:
    """A folder may have other weights when the second run is trained."""
    runs = [finished_run(home / "a"), finished_run(home / "b", kind="lora")]
    for run in runs:
        score_run(run, "test", spoken())
    record = runs[1] / "record.json"
    write_json(record, json.loads(record.read_text()) | {"base_digest": "c" * 64})
    with pytest.raises(DataError, match=r"different weights of the base: b+, c+;"):
        compare_runs(runs)


def test_a_reference_that_a_language_lacks_is_compared_with_nothing_there(home: Path) -> None:
    """Every table and sentence calls it by its name."""
    runs = {
        finished_run(home / "a"): PERFECT,
        finished_run(home / "b", language="yo", kind="lora"): spoken(),
        finished_run(home / "c", language="yo", kind="bitfit"): PERFECT,
    }
    for run, rows in runs.items():
        score_run(run, "test", rows)
    result, _ = compare_runs(list(runs))
    assert result.reference == "full"
    lora, bitfit = result.languages["yo"].strategies
    assert lora.vs_reference is None and bitfit.vs_reference is None
    assert lora.vs_best and lora.vs_best.difference == pytest.approx(3 / 8)


def test_two_runs_of_one_folder_name_are_two_rows(home: Path) -> None:
    """As runs of two comparisons are."""
    digest = {"base_digest": "b" * 64, "manifest_sha256": data_digest([home / "data"])}
    runs = [
        finished_run(
            home / grid / "runs/final",
            strategy={"kind": "freeze", "n": n},
            data=str(home / "data"),
        )
        for n, grid in enumerate("ab", start=1)
    ]
    for run, rows in zip(runs, (PERFECT, spoken()), strict=True):
        write_json(run / "identity.json", digest)
        score_run(run, "test", rows)
    result, (clips,) = compare_runs(runs)
    rates = {row.strategy: row.scores["strict"].wer for row in result.languages["sw"].strategies}
    assert rates == {"a/runs/final": 0, "b/runs/final": pytest.approx(3 / 8)}
    assert clips.systems == list(rates) == [each.run for each in result.curves]
    (part,) = read_parts(runs, [])
    assert [(run.name, run.strategy) for run in part.runs] == [(name, name) for name in rates]


@pytest.mark.parametrize("name", ["base", "lora"])
def test_a_run_whose_name_says_something_else_in_the_tables_is_called_a_run(
    home: Path, name: str
) -> None:
    """`base` is the model that was not trained, `lora` the row of a strategy."""
    runs = {
        finished_run(home / name, strategy={"kind": "freeze", "n": 1}): PERFECT,
        finished_run(home / "b", strategy={"kind": "freeze", "n": 2}): PERFECT,
        finished_run(home / "c", kind="lora"): spoken(),
    }
    for run, rows in runs.items():
        score_run(run, "test", rows)
        score_run(run, "base-test", spoken())
    result, (clips,) = compare_runs(list(runs))
    rates = {row.strategy: row.scores["strict"].wer for row in result.languages["sw"].strategies}
    assert rates == {f"run {name}": 0, "b": 0, "lora": pytest.approx(3 / 8)}
    assert clips.systems == ["base", *rates]
    assert [each.word_errors for each in clips.clips[0].heard] == [1, 0, 0, 1]


def test_a_point_goes_by_the_name_of_its_row(home: Path) -> None:
    """So that curves.csv can say whether its run is in the tables."""
    runs = [
        finished_run(home / name, strategy={"kind": "freeze", "n": n})
        for n, name in enumerate("abc", start=1)
    ]
    for run in runs[:2]:
        score_run(run, "test", PERFECT)
    result, _ = compare_runs(runs)
    assert [each.strategy for each in result.curves] == ["a", "b", "freeze"]
    rows = csv_files(result)["curves.csv"]
    assert [(row["run"], row["is_chosen"]) for row in rows] == [
        ("a", True),
        ("b", True),
        ("c", False),
    ]
