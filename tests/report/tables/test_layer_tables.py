"""What a person reads and what a figure is drawn from, from a result whose figures are known."""

import csv
import io
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from mothertongue.analysis.records import (
    Analysis,
    Band,
    GroupSimilarity,
    HalfSimilarity,
    StateBands,
)
from mothertongue.experiment.records import StrategySettings
from mothertongue.report.tables.layer_tables import analysis_tables, heatmap_text, write_figures
from mothertongue.system.environment import environment

STATES = ("stem", "layer 1")


def band(*values: float) -> Band:
    return Band(sum(values) / len(values), min(values), max(values), list(values))


def half(last: Band, rows: int, names: Sequence[str] = STATES) -> HalfSimilarity:
    first = StateBands(names[0], band(1.0), band(0.99999), band(1.0))
    rest = [StateBands(name, last, last, last) for name in names[1:]]
    return HalfSimilarity(rows, 512, [first, *rest], [[1.0, 0.25], [0.5, -0.03]], 9)


def group(name: str, last: Band, **changes: Any) -> GroupSimilarity:
    found = GroupSimilarity(
        group=name,
        runs=[name] * len(last.values),
        train_seeds=list(range(len(last.values))),
        strategy=StrategySettings(kind="full"),
        data=[],
        language="sw",
        n_utterances=100,
        n_usable=400,
        n_unusable=0,
        utterances=[],
        encoder=half(last, 6000),
        decoder=None,
        first_below=1,
        freeze_encoder_layers=0,
    )
    return replace(found, **changes)


def analysis(*groups: GroupSimilarity) -> Analysis:
    return Analysis(
        base="openai/whisper-base",
        base_digest="b",
        runs=[],
        split="test",
        n_asked=100,
        seed=0,
        context="full",
        threshold=0.95,
        precision="fp32",
        minibatch_rows=9,
        groups=list(groups),
        environment=environment(),
    )


def printed(result: Analysis, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(analysis_tables(result))
    return console.file.getvalue()


def rows_of(text: str, state: str) -> list[list[str]]:
    """The cells of every line of a state: first of the three tables, then of the heat map."""
    lines = (line.strip() for line in text.splitlines())
    return [line.removeprefix(state).split() for line in lines if line.startswith(state)]


def test_groups_stand_side_by_side_with_their_bands() -> None:
    text = printed(analysis(group("freeze", band(0.9, 0.8)), group("lora", band(0.97))))
    assert rows_of(text, "layer 1")[0] == ["0.850", "(0.800-0.900)", "0.970"]
    assert [line.strip() for line in text.splitlines()].count("CKA") == 1
    assert "freeze: 2 runs, 100 of 400 usable clips, 6,000 frames" in text
    assert "lora: 1 run, 100" in text


def test_only_what_is_exactly_one_is_shown_without_digits() -> None:
    text = printed(analysis(group("freeze", band(0.9))))
    assert rows_of(text, "stem")[:3] == [["1"], ["1.000"], ["1"]]


def test_the_suggestion_and_what_is_doubtful_are_said() -> None:
    some = group("some", band(0.9), first_below=1, freeze_encoder_layers=0)
    none = group("none", band(0.99), first_below=None, freeze_encoder_layers=1, n_utterances=18)
    none = replace(none, encoder=half(band(0.99), 900))
    text = " ".join(printed(analysis(some, none)).split())
    assert "some: CKA first falls below 0.95 at layer 1; nothing to freeze" in text
    assert "none: CKA stays at 0.95 or above; try freeze with encoder_layers: 1" in text
    assert "none: 100 clips asked for, 18 there are: all taken" in text
    assert "none: 900 rows for encoder states of width 512: SVCCA and PWCCA are too high" in text
    assert "some: 6,000 rows" not in text


def test_long_names_are_folded_not_cut() -> None:
    names = [f"sw-bottleneck-encoder_top{number}-seed0" for number in range(4)]
    text = printed(analysis(*(group(name, band(0.9)) for name in names)))
    assert "…" not in text


def test_the_heat_map_is_a_grid_of_hundredths_in_colour() -> None:
    text = heatmap_text(group("freeze", band(0.9)), "encoder")
    lines = [line.strip() for line in text.plain.splitlines()]
    assert lines[-2:] == ["stem == 25", "layer 1 50  0"]
    colours = {str(span.style) for span in text.spans}
    assert len(colours) == 4 and all("on" in colour for colour in colours)


def test_thirty_three_states_fit_eighty_columns() -> None:
    wide = half(band(0.9), 6000, [f"layer {i}" for i in range(33)])
    large = group("large", band(0.9), encoder=replace(wide, heatmap=[[0.5] * 33] * 33))
    assert max(map(len, heatmap_text(large, "encoder").plain.splitlines()[2:])) <= 80


def test_the_data_of_the_figures(tmp_path: Path) -> None:
    decoder = half(band(0.7), 700, ("decoder embedding", "decoder layer 1"))
    result = analysis(group("freeze", band(0.75, 0.25), decoder=decoder))
    left = tmp_path / "figures" / f".tmp-{'0' * 32}"  # by a killed command
    left.mkdir(parents=True)
    write_figures(result, tmp_path / "figures")
    assert not left.exists()
    layers, cells = (
        list(csv.DictReader((tmp_path / "figures" / name).read_text(encoding="utf-8").splitlines()))
        for name in ("layers.csv", "heatmap.csv")
    )
    assert list(layers[0]) == ["group", "state", "metric", "mean", "min", "max"]
    assert len(layers) == 2 * 2 * 3 and len(cells) == 2 * 4
    found = {(each["state"], each["metric"]): each for each in layers}
    last = found["layer 1", "cka"]
    assert (float(last["mean"]), float(last["min"]), float(last["max"])) == (0.5, 0.25, 0.75)
    assert float(found["decoder layer 1", "pwcca"]["mean"]) == 0.7
    assert list(cells[1].values()) == ["freeze", "stem", "layer 1", "0.25"]


def test_neither_tables_nor_measures_load_torch() -> None:
    code = (
        "import sys, mothertongue.report.tables.layer_tables, mothertongue.analysis.heatmap\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
