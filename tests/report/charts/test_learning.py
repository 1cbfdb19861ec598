"""Charts of training."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from comparison_results import comparison, with_averages
from report_folders import comparison_folder, finished_run, save_tested

from mothertongue.report.chapters import Chapters, strategies_of
from mothertongue.report.charts.learning import learning_charts
from mothertongue.report.charts.vega import Chart
from mothertongue.report.inputs import read_parts


def test_every_seed_has_a_line_and_the_charts_say_so(tmp_path: Path) -> None:
    save_tested(tmp_path / "data")
    runs = [finished_run(tmp_path / f"s{seed}", seed=seed) for seed in (0, 1)]
    (part,) = read_parts([*runs, finished_run(tmp_path / "lora", kind="lora")], [])
    loss, validation, _ = learning_charts("sw", part.runs)
    for chart in (loss, validation):
        line = chart.spec["layer"][0]
        assert {row["run"] for row in chart.spec["data"]["values"]} == {"s0", "s1", "lora"}
        assert line["encoding"]["detail"]["field"] == "run"
        assert chart.note.startswith("A line is a run: a strategy has one for each seed.")
    (part,) = read_parts(runs[:1], [])
    assert all("seed" not in chart.note for chart in learning_charts("sw", part.runs))


def test_a_strategy_has_one_color_and_one_shape_in_all_charts(tmp_path: Path) -> None:
    """Some charts show a part of them: those of groups have the reference and the best."""
    result = with_averages(comparison(reference="lora"))
    del result["languages"]["is"]["strategies"][0]
    del result["languages"]["sw"]["weight_averages"][0]
    parts = read_parts([comparison_folder(tmp_path, **result)], [])
    found = defaultdict[tuple[str, str], set[str]](set)
    for chart in Chapters(parts[0], strategies_of(parts)).charts:
        for kind, name, value in looks(chart):
            found[kind, name].add(value)
    assert {"base", "full", "freeze", "lora"} <= {name for _, name in found}
    assert {name for (_, name), values in found.items() if len(values) > 1} == set()


def looks(chart: Chart) -> Iterator[tuple[str, str, str]]:
    """Each color and shape of a chart with its name."""
    for kind, layer in product(("color", "shape"), chart.spec["layer"]):
        scale = layer["encoding"].get(kind, {}).get("scale", {})
        if "range" in scale:
            for name, value in zip(scale["domain"], scale["range"], strict=True):
                yield kind, name, value


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
