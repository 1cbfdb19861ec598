"""Charts of errors and of what was forgotten."""

import re

import pytest
from comparison_results import comparison, only, typed

from mothertongue.report.charts.errors import forgetting_chart


@pytest.mark.parametrize(
    ("names", "is_tilted"),
    [(("en", "de"), False), (("common_voice_english", "fleurs_german"), True)],
)
def test_names_of_sets_that_are_wider_than_their_columns_are_tilted(
    names: tuple[str, ...], is_tilted: bool
) -> None:
    result = only(comparison(), "sw", "full", "freeze")
    for row in result["languages"]["sw"]["strategies"]:
        kept = row["retention"]
        kept["sets"] = dict(zip(names, kept["sets"].values(), strict=True))
    chart = forgetting_chart(typed(result), "sw")
    assert chart is not None
    for name in names:
        (placed,) = re.findall(rf'<text[^>]* transform="([^"]*)"[^>]*>{name}<', chart.svg())
        assert ("rotate" in placed) == is_tilted
