"""Charts of training."""

from pathlib import Path

import pytest
from report_folders import finished_run, save_tested

from mothertongue.report.charts.learning import learning_charts
from mothertongue.report.inputs import read_parts


@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_error_rate_is_of_the_split_that_chose_the_weights(split: str, tmp_path: Path) -> None:
    """Under protocol paper that is the test split."""
    save_tested(tmp_path / "data")
    run = finished_run(tmp_path / "one", select_on=split)
    record = run / "record.json"
    text = record.read_text("utf-8")
    record.write_text(text.replace('"selected_on": "validation"', f'"selected_on": "{split}"'))
    (part,) = read_parts([run], [])
    _, chart, _ = learning_charts("sw", part.runs)
    assert chart.title == f"{split.capitalize()} WER"
    y = chart.spec["layer"][0]["encoding"]["y"]
    assert y["title"] == f"{split} WER %"
