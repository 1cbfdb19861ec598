"""The CSV files of a comparison: read back, they are the result."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from comparison_results import comparison, of_json, on_test, only

from mothertongue.report.tables import terminal
from mothertongue.report.text.summary import CHOSEN_ON_TEST

write_tables = of_json(terminal.write_tables)
FILES = ("table", "average", "retention", "also", "data", "base", "curves")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, list[dict[str, str]]]:
    write_tables(comparison(), tmp_path)
    return {name: read(tmp_path / f"{name}.csv") for name in FILES}


def where(rows: list[dict[str, str]], **values: str) -> dict[str, str]:
    (row,) = [row for row in rows if values.items() <= row.items()]
    return row


def numbers(row: dict[str, str], *names: str) -> list[Any]:
    return [json.loads(row[name]) for name in names]


def test_the_table_gives_back_every_figure(files: dict[str, list[dict[str, str]]]) -> None:
    for language, found in comparison()["languages"].items():
        for row in found["strategies"]:
            cells = where(files["table"], language=language, strategy=row["strategy"])
            for name, scores in row["scores"].items():
                wer = numbers(cells, f"{name}_wer", f"{name}_wer_low", f"{name}_wer_high")
                assert wer == [scores["wer"], *scores["interval95"]]
                cer = numbers(cells, f"{name}_cer", f"{name}_cer_low", f"{name}_cer_high")
                assert cer == [scores["cer"], *scores["cer_interval95"]]
                assert numbers(cells, f"{name}_sd_over_seeds") == [scores["sd_over_seeds"]]
            for name in ("trainable_parameters", "parameters", "step_s", "wall_s", "size_bytes"):
                assert numbers(cells, name) == [row[name]]
            assert numbers(cells, "search_wall_s", "mean_steps", "seeds") == [3601.0, 1100.0, 2]
            assert numbers(cells, "peak_memory_bytes", "clips") == [4_210_000_000, 487]


def test_differences_have_bounds_and_p(files: dict[str, list[dict[str, str]]]) -> None:
    rows = comparison()["languages"]["sw"]["strategies"]
    cells = where(files["table"], language="sw", strategy="lora")
    for name in ("vs_base", "vs_reference", "vs_best"):
        found = rows[2][name]
        expected = [found["difference"], *found["interval95"], found["p"], found["p_holm"]]
        columns = (f"{name}_{each}" for each in ("low", "high", "p", "p_holm"))
        assert numbers(cells, name, *columns) == expected
        assert cells[f"{name}_over_seeds"] == "true"
    full = where(files["table"], language="sw", strategy="full")
    assert full["vs_reference"] == full["vs_reference_p"] == ""
    assert full["is_reference"] == "true"


def test_the_base_has_a_row_without_what_only_training_has(
    files: dict[str, list[dict[str, str]]],
) -> None:
    base = where(files["table"], language="sw", strategy="base (untouched)")
    assert numbers(base, "strict_wer") == [1.142]
    assert base["trainable_parameters"] == base["vs_base"] == base["strict_sd_over_seeds"] == ""


def test_settings_have_a_column_each(files: dict[str, list[dict[str, str]]]) -> None:
    for strategy, value in (("freeze", "3"), ("full", "")):
        row = where(files["table"], language="sw", strategy=strategy)
        assert row["strategy.encoder_layers"] == value


def test_curves_are_all_runs_and_mark_the_chosen(files: dict[str, list[dict[str, str]]]) -> None:
    rows = files["curves"]
    assert len(rows) == 6
    one, three = (
        where(rows, strategy="freeze", seed="1", **{"strategy.encoder_layers": layers})
        for layers in ("1", "3")
    )
    assert (one["is_chosen"], three["is_chosen"]) == ("false", "true")
    point = comparison()["curves"][3]
    assert numbers(three, "wer", "low", "high") == [point["wer"], *point["interval95"]]
    assert numbers(three, "trainable_parameters", "wall_s") == [60_000_000, 900.25]
    assert three["split"] == "validation"


def test_a_run_without_a_split_to_choose_on_has_no_wer(
    files: dict[str, list[dict[str, str]]],
) -> None:
    curve = where(files["curves"], language="is")
    assert curve["wer"] == curve["low"] == curve["high"] == ""
    assert where(files["table"], language="is", strategy="full")["chosen_at_wer"] == ""


def test_averages_are_ratios(files: dict[str, list[dict[str, str]]]) -> None:
    row = where(files["average"], strategy="freeze")
    assert numbers(row, "mean", "base_mean") == [0.22, 0.762]
    expected = comparison()["average"][1]
    changes = [f"relative_change_to_{other}" for other in ("base", "reference")]
    assert numbers(row, *changes, "difference_to_reference") == [
        expected["relative_to_base"],
        expected["relative_to_reference"],
        expected["points_to_reference"],
    ]


def test_retention_is_long(files: dict[str, list[dict[str, str]]]) -> None:
    rows = files["retention"]
    # Five measures for German and the mean, six for English; in one language, three strategies.
    assert len(rows) == 3 * (5 + 5 + 6)
    cells = where(rows, strategy="lora", set="en", measure="language_identification")
    assert numbers(cells, "before", "after") == [0.99, 0.42]
    kept = comparison()["languages"]["sw"]["strategies"][2]["retention"]
    mean = where(rows, strategy="lora", set="(mean)", measure="wer")
    assert numbers(mean, "difference", "low", "high") == [
        kept["mean"]["wer"]["difference"],
        *kept["mean"]["wer"]["interval95"],
    ]


def test_the_papers_data_and_base_tables(files: dict[str, list[dict[str, str]]]) -> None:
    assert numbers(where(files["data"], language="is", split="train"), "clips", "hours") == [
        3070,
        9.9,
    ]
    base = where(files["base"], language="is", normalizer="whisper")
    assert numbers(base, "wer", "clips", "words") == [0.402, 487, 4383]
    also = where(files["also"], language="sw", set="radio", strategy="lora")
    assert numbers(also, "strict_wer", "vs_base_p_holm") == [0.4, 0.41]


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@x", "\t=x", "\r=x"])
def test_text_cannot_be_a_formula_and_numbers_stay_numbers(name: str, tmp_path: Path) -> None:
    result = comparison(base=name)
    result["languages"][name] = result["languages"].pop("sw")
    result["languages"][name]["strategies"][2] |= {"strategy": name, "settings": {}}
    result["curves"] = [each for each in result["curves"] if each["language"] == "is"]
    write_tables(result, tmp_path)
    for file in FILES:
        cells = [cell for row in read(tmp_path / f"{file}.csv") for cell in row.values()]
        starts = [cell for cell in cells if cell.startswith(tuple("=+-@\t\r"))]
        assert all(float(cell) < 0 for cell in starts)
    shown = f"'{name.strip()}"
    assert where(read(tmp_path / "table.csv"), strategy=shown)["language"] == shown


def test_values_that_are_no_numbers_are_written_as_json(tmp_path: Path) -> None:
    result = comparison()
    settings = {"strategy.layers": [0, 2], "strategy.stem": True, "train.precision": "fp32"}
    result["curves"][0]["settings"] = settings
    write_tables(result, tmp_path)
    row = read(tmp_path / "curves.csv")[0]
    assert [row[name] for name in settings] == ["[0, 2]", "true", "fp32"]


def test_every_row_says_what_was_chosen_on_the_test_split(tmp_path: Path) -> None:
    write_tables(on_test(comparison()), tmp_path)
    for name in FILES:
        for row in read(tmp_path / f"{name}.csv"):
            assert (row["chosen_on"], row["warning"]) == ("test", CHOSEN_ON_TEST)


def test_a_file_without_figures_does_not_stay_from_before(tmp_path: Path) -> None:
    first = write_tables(comparison(), tmp_path)
    again = write_tables(only(comparison(), "is", "full"), tmp_path)
    assert {path.name for path in first} - {path.name for path in again} == {"retention.csv"}
    assert sorted(tmp_path.iterdir()) == sorted(again)
