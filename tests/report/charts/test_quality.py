"""Charts of rates: each line is an interval that was computed."""

import pytest
from comparison_results import by_cer, comparison, typed

from mothertongue.report.charts.quality import curve_charts


@pytest.mark.parametrize("measure", ["wer", "cer"])
def test_a_run_of_a_sweep_has_the_interval_of_the_rate_that_is_drawn(measure: str) -> None:
    result = comparison() if measure == "wer" else by_cer(comparison())
    (chart,) = curve_charts(typed(result))
    points = [each for each in result["curves"] if each["strategy"] == "freeze"]
    for row, point in zip(chart.spec["data"]["values"], points, strict=True):
        low, high = point["interval95" if measure == "wer" else "cer_interval95"]
        assert (row["low"], row["high"]) == pytest.approx((100 * low, 100 * high))
        assert row["low"] < row["rate"] < row["high"]
        assert f"95 % {100 * low:.1f}-{100 * high:.1f}" in row["tooltip"]
    assert f"interval of its {measure.upper()}" in chart.note


def test_a_rate_of_unknown_interval_is_told_without_one() -> None:
    result = by_cer(comparison())
    for each in result["curves"]:
        each["cer_interval95"] = None
    (chart,) = curve_charts(typed(result))
    assert not any("95 %" in row["tooltip"] for row in chart.spec["data"]["values"])


def test_swept_values_that_are_wider_than_their_space_are_tilted() -> None:
    result, targets = comparison(), ["q_proj", "k_proj", "v_proj", "out_proj"]
    for point in result["curves"]:
        if layers := point["settings"].get("strategy.encoder_layers"):
            point["settings"] = {"strategy.targets": targets[: layers + 1]}
    (chart,) = curve_charts(typed(result))
    assert chart.spec["layer"][0]["encoding"]["x"]["axis"]["labelAngle"] < 0
    (short,) = curve_charts(typed(comparison()))
    assert short.spec["layer"][0]["encoding"]["x"]["axis"]["labelAngle"] == 0
