"""The curve of each strategy between the base and its tuned weights."""

import re
from typing import Any

from comparison_results import comparison, of_json, with_averages

from mothertongue.report.charts.interpolation import forgetting_curves
from mothertongue.report.charts.vega import Chart
from mothertongue.report.tables import weight_average_sheets

averages_of = of_json(weight_average_sheets.averages_of)
Json = dict[str, Any]


def drawn(result: Json) -> Chart:
    chart = forgetting_curves("sw", "wer", averages_of(result, "sw"))
    assert chart is not None
    return chart


def test_there_is_a_point_for_each_alpha_and_strategy_with_the_taken_one_marked() -> None:
    rows = drawn(with_averages(comparison())).spec["data"]["values"]
    assert len(rows) == 2 * 7
    full = [row for row in rows if row["strategy"] == "full"]
    assert [row["alpha"] for row in full] == [0, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
    assert [row["alpha"] for row in full if row["is_taken"]] == [0.7]
    at_07 = next(row for row in full if row["is_taken"])
    assert (round(at_07["rate"], 6), round(at_07["across"], 6)) == (21.0, 17.8)
    words = "full, alpha 0.7: WER 21.0 %, other languages WER 17.8 %"
    assert at_07["tooltip"] == words


def test_it_is_drawn_with_a_line_a_strategy() -> None:
    svg = drawn(with_averages(comparison())).svg()
    assert len(re.findall(r'aria-roledescription="line mark container"', svg)) == 2
    assert "WER of other languages %" in svg and "validation WER %" in svg
    assert svg.count("full, alpha ") >= 7 and svg.count("freeze, alpha ") >= 7


def test_without_retention_sets_alpha_is_the_axis() -> None:
    result = with_averages(comparison())
    for each in result["languages"]["sw"]["weight_averages"]:
        each["retention_sets"] = []
        each["curve"] = [point | {"retention": None} for point in each["curve"]]
    second = result["languages"]["sw"]["weight_averages"][1]
    assert "WER of other languages" not in drawn(result).svg()
    second |= with_averages(comparison())["languages"]["sw"]["weight_averages"][1]
    chart = drawn(result)
    assert "WER of other languages" not in chart.svg()
    assert [row["across"] for row in chart.spec["data"]["values"][:2]] == [0, 0.5]


def test_a_mean_without_a_sweep_has_no_curve() -> None:
    result = with_averages(comparison())
    for each in result["languages"]["sw"]["weight_averages"]:
        each["curve"] = each["curve"][-1:]
    assert forgetting_curves("sw", "wer", averages_of(result, "sw")) is None
    assert forgetting_curves("sw", "wer", []) is None
