"""Averages of weights as tables, findings and CSV, from a result whose figures are known."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from comparison_results import comparison, of_json, typed, with_averages
from report_folders import run_record
from rich.console import Console

from mothertongue.experiment.records import RunRecord
from mothertongue.report.tables import terminal, weight_average_sheets
from mothertongue.report.tables.sheets import Sheet
from mothertongue.report.text import summary
from mothertongue.system.json_files import built

comparison_tables, write_tables = (
    of_json(terminal.comparison_tables),
    of_json(terminal.write_tables),
)
findings = of_json(summary.findings)
Json = dict[str, Any]
NO_RETENTION = {"retention_sets": [], "retention": None}


def printed(result: Json, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(comparison_tables(result))
    return console.file.getvalue()


def sheets(result: Json) -> list[Sheet]:
    found = weight_average_sheets.averages_of(typed(result), "sw")
    return weight_average_sheets.weight_average_sheets("sw", "wer", found, "strict")


def read(path: Path) -> list[Json]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_an_average_stands_beside_its_best_run_and_its_seeds() -> None:
    chosen, tested, curve = sheets(with_averages(comparison()))
    assert chosen.rows == (
        ("full", "2", "0.7", "21.0", "22.0", "-1.0"),
        ("freeze", "2", "1", "21.0", "20.6", "+0.4"),
    )
    assert tested.rows[0] == ("full", "23.5", "21.5-25.5", "-1.5", "-4.0 to +1.0")
    assert len(curve.rows) == 2 * 7
    assert curve.rows[0] == ("full", "0, base (untouched)", "28.0", "15.0", "+0.0", "-1.0 to +1.0")
    assert curve.rows[3] == ("full", "0.7*", "21.0", "17.8", "+2.8", "+1.8 to +3.8")


def test_the_widest_are_printed_whole_on_80_columns() -> None:
    result = with_averages(comparison())
    for each in result["languages"]["sw"]["weight_averages"]:
        each["strategy"] = f"{each['strategy']}-of-all-linear-layers"
        for score in each["scores"].values():
            score |= {"wer": 1.142, "interval95": [1.102, 3.213]}
        each["vs_seeds"] |= {"difference": -1.132, "interval95": [-2.771, 3.772]}
        for point in each["curve"]:
            point["retention"]["mean"]["wer"] |= {"after": 3.5, "interval95": [-1.102, 3.213]}
    text = printed(result)
    assert max(map(len, text.splitlines())) <= 80
    lines = [line.split() for line in text.splitlines()]
    assert ["114.2", "110.2-321.3", "-113.2", "-277.1", "to", "+377.2"] in [x[-6:] for x in lines]
    assert ["350.0", "+2.0", "-110.2", "to", "+321.3"] in [x[-5:] for x in lines]


def test_a_comparison_of_an_earlier_version_has_none() -> None:
    assert "weight_averages" not in comparison()["languages"]["sw"]
    assert sheets(comparison()) == []
    assert "average" not in "\n".join(findings(comparison()))


def test_the_findings_say_whether_to_use_it() -> None:
    full, freeze = [line for line in findings(with_averages(comparison())) if "average" in line]
    assert full == (
        "sw: the average of 2 seeds of full, alpha 0.7, has WER 23.5 %, -1.5 points from the mean "
        "of the seeds"
    )
    assert freeze == (
        "sw: the average of 2 seeds of freeze, alpha 1, is 0.4 points above its best run on "
        "validation: use freeze-seed1"
    )


def test_without_retention_sets_only_the_rates_are_shown() -> None:
    result = with_averages(comparison())
    for each in result["languages"]["sw"]["weight_averages"]:
        each |= NO_RETENTION
        each["curve"] = [point | {"retention": None} for point in each["curve"]]
    *_, curve = sheets(result)
    assert curve.rows[3] == ("full", "0.7*", "21.0", "-", "-", "-")


@pytest.mark.parametrize("name", ["table.md", "weight_averages.csv", "alphas.csv"])
def test_the_files_lose_what_an_earlier_comparison_had(name: str, tmp_path: Path) -> None:
    write_tables(with_averages(comparison()), tmp_path)
    assert (tmp_path / name).is_file() and "0.7" in (tmp_path / name).read_text("utf-8")
    write_tables(comparison(), tmp_path)
    assert not name.endswith(".csv") or not (tmp_path / name).exists()


def test_the_files_give_back_every_figure(tmp_path: Path) -> None:
    result = with_averages(comparison())
    write_tables(result, tmp_path)
    found = result["languages"]["sw"]["weight_averages"]
    for row, each in zip(read(tmp_path / "weight_averages.csv"), found, strict=True):
        assert (row["language"], row["strategy"], row["run"]) == (
            "sw",
            each["strategy"],
            each["run"],
        )
        names = ("alpha", "seeds", "strict_wer", "strict_wer_low", "vs_seeds", "vs_seeds_high")
        score, seeds = each["scores"]["strict"], each["vs_seeds"]
        assert [json.loads(row[name]) for name in names] == [
            *(each["alpha"], 2, score["wer"], score["interval95"][0]),
            *(seeds["difference"], seeds["interval95"][1]),
        ]
        assert json.loads(row["vs_best_run_on_split"]) == each["difference"]
    points = [(each, point) for each in found for point in each["curve"]]
    for row, (each, point) in zip(read(tmp_path / "alphas.csv"), points, strict=True):
        kept = point["retention"]["mean"]["wer"]
        names = ("alpha", "wer", "cer_high", "retention_wer", "forgotten", "forgotten_low")
        assert [json.loads(row[name]) for name in names] == [
            *(point["alpha"], point["validation"]["wer"]),
            *(point["validation"]["cer_interval95"][1], kept["after"]),
            *(kept["difference"], kept["interval95"][0]),
        ]
        assert json.loads(row["is_taken"].lower()) is (point["alpha"] == each["alpha"])


@pytest.mark.parametrize(
    ("best_of", "said"),
    [
        (None, "step 200"),
        ({"taken": "best", "models": {}}, "step 200"),
        ({"taken": "ema", "models": {}}, "moving average of the weights"),
        ({"taken": "last", "models": {}}, "mean of the last validations' weights"),
    ],
)
def test_a_run_names_its_best_weights(best_of: Json | None, said: str) -> None:
    record = built(run_record() | {"best_of": best_of}, "record.json", RunRecord)
    assert record.best_weights == said
