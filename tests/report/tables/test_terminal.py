"""A comparison in the terminal, in Markdown and in LaTeX, from a result whose figures are known."""

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from comparison_results import (
    SURE,
    UNSURE,
    by_cer,
    comparison,
    difference,
    means,
    of_json,
    on_test,
    one_seed,
    only,
)
from rich.console import Console

from mothertongue.report.tables import sheets, terminal
from mothertongue.report.tables.cells import distinct
from mothertongue.report.text import summary
from mothertongue.report.text.summary import CHOSEN_ON_TEST

average_sheets, headline = of_json(sheets.average_sheets), of_json(sheets.headline)
comparison_tables, write_tables = (
    of_json(terminal.comparison_tables),
    of_json(terminal.write_tables),
)
findings = of_json(summary.findings)
HOSTILE = "[red]a_b|c 5%&#{x}$y^2 <b>"


def printed(result: dict[str, Any], width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(comparison_tables(result))
    return console.file.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())


def rows_of(text: str, start: str) -> list[list[str]]:
    return [
        line.removeprefix(start).split() for line in text.splitlines() if line.startswith(start)
    ]


def widest() -> dict[str, Any]:
    """Every figure of the headline as wide as whisper-large makes it."""
    result = only(comparison(), "sw", "full", "freeze")
    for row in result["languages"]["sw"]["strategies"]:
        for scores in row["scores"].values():
            scores |= {"wer": 1.142, "interval95": [1.102, 1.213], "cer": 1.01}
        row |= {"vs_base": difference(-1.132, SURE), "vs_reference": difference(1.123, SURE)}
        row |= {"trainable_parameters": 1_543_304_960, "parameters": 1_543_304_970}
        row |= {"step_s": 0.0012345, "wall_s": 89.8 * 60, "size_bytes": 6_173_219_840}
        row |= {"peak_memory_bytes": 139_000_000_000, "pareto": {"parameters": True, "time": True}}
        row["settings"] = row["settings"] and {"train.learning_rate": 0.00012}
        row["vs_best"] = difference(0.0, 1.0) if row["settings"] else None
    return result


def test_a_language_has_its_base_and_each_strategy_with_what_was_chosen() -> None:
    text = printed(comparison(), 100)
    assert "sw: test split, 487 clips, 4,383 words" in text
    base = ["114.2", "112.2-116.2", "-", "38.1", "-", "-", "-", "-"]
    assert rows_of(text, "base (untouched) ")[0] == base
    frozen = "freeze encoder_layers=3 (best of 6) "
    in_sw, in_is = rows_of(text, frozen)
    assert in_sw == ["22.0", "20.0-24.0", "0.7", "7.3", "-92.2*", "0.002", "-3.0*", "0.002"]
    assert in_is[-2:] == ["-3.0", "0.410"]  # within the noise, so no mark
    assert rows_of(text, "full (ref.) ")[0][-4:] == ["-89.2*", "0.002", "-", "-"]


def test_costs_stand_with_the_front() -> None:
    cost = rows_of(printed(comparison(), 80), "lora ")
    assert ["0.49", "M", "0.677", "0.123", "30.0", "min", "4.21", "GB", "2.0", "P"] in cost


def test_every_normalizer_has_both_rates_with_intervals() -> None:
    text = flat(printed(comparison(), 80))
    assert "lora 30.0 28.0-32.0 32.0 30.0-34.0 34.0 32.0-36.0" in text
    assert "lora 10.0 9.0-11.0 10.7 9.7-11.7 11.3 10.3-12.3" in text


def test_what_was_forgotten_stands_before_and_after() -> None:
    text = flat(printed(comparison(), 80))
    assert "Forgetting after tuning on sw, mean over en, de" in text
    assert "full (ref.) 15.0 -> 22.8 +7.8 +6.8 to +8.8 - no: 1" in text
    assert "full (ref.) en 10.0 -> 15.5 +5.5 +4.5 to +6.5 99.0 -> 42.0" in text
    assert "full (ref.) 0.0 -> 3.1 0.0 -> 3.1 0.0 -> 3.1" in text
    assert "Forgetting after tuning on is" not in text


def test_other_sets_have_their_own_table() -> None:
    text = flat(printed(comparison(), 80))
    assert "sw: also tested on radio, 487 clips" in text
    assert "lora 40.0 38.0-42.0 0.7 13.3 -5.0 0.410" in text


def test_averages_tell_points_from_percent() -> None:
    (sheet,) = average_sheets(comparison())
    assert sheet.rows[0] == ("base (untouched)", "76.20", "-", "-", "-")
    assert sheet.rows[2] == ("freeze", "22.00", "-71.13 % rel.", "-12.00 % rel.", "-3.00 points")
    assert "lora" not in [row[0] for row in sheet.rows]  # it did not run in both languages
    assert average_sheets(comparison(average=[])) == []


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("make", [comparison, widest])
def test_no_figure_is_cut_short_or_broken(make: Any, width: int) -> None:
    result = make()
    text = printed(result, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    words = set(text.split())
    for sheet in headline(result, "sw"):
        for row in sheet.rows:
            assert set(" ".join(row[sheet.labels :]).split()) <= words


def test_a_long_setting_breaks_before_its_value() -> None:
    assert "0.00012" in printed(widest(), 80).split()


def test_one_seed_has_no_spread() -> None:
    assert "sd" not in printed(comparison(seeds=[0]), 80).split()
    assert "sd" in printed(comparison(), 80).split()


@pytest.mark.parametrize("make", [comparison, lambda: on_test(comparison())])
def test_a_choice_on_the_test_split_is_said_everywhere(make: Any, tmp_path: Path) -> None:
    result = make()
    texts = [
        printed(result, 80),
        *(path.read_text("utf-8") for path in write_tables(result, tmp_path)),
    ]
    assert len(texts) == 1 + 9
    is_on_test = result["chosen_on"] == "test"
    assert {CHOSEN_ON_TEST in flat(text) for text in texts} == {is_on_test}


def test_every_latex_caption_says_it_and_the_conditions(tmp_path: Path) -> None:
    write_tables(on_test(comparison()), tmp_path)
    captions = re.findall(r"\\caption\{.*\}", (tmp_path / "table.tex").read_text("utf-8"))
    assert len(captions) == 3
    for caption in captions:
        assert "these figures are optimistic" in caption
        assert "base openai/whisper-base, protocol paper (chosen on test)" in caption
        assert "normalizer strict, reference full, seeds 0, 1" in caption
    assert "487 clips" in captions[0]


def test_every_latex_table_has_a_label_of_its_own(tmp_path: Path) -> None:
    result = comparison()
    names = ["አማርኛ", "ትግርኛ", "average"]
    places = [*result["languages"].values(), result["languages"]["sw"]]
    result["languages"] = dict(zip(names, places, strict=True))
    write_tables(result, tmp_path)
    text = (tmp_path / "table.tex").read_text("utf-8")
    labels = ["first-", "first--2", "first-average", "first-average-2"]
    assert re.findall(r"\\label\{tab:(.*)\}", text) == labels
    assert distinct(["x", "x-2", "x"]) == ["x", "x-2", "x-3"]


def hostile(tmp_path: Path) -> dict[str, Path]:
    result = comparison()
    result["languages"]["sw"]["strategies"][2]["strategy"] = HOSTILE
    return {path.name: path for path in write_tables(result, tmp_path)}


def test_latex_is_balanced_and_names_are_no_commands(tmp_path: Path) -> None:
    text = hostile(tmp_path)["table.tex"].read_text("utf-8")
    name = r"{[}red{]}a\_b\textbar{}c 5\%\&\#\{x\}\$y\textasciicircum{}2 \textless{}b\textgreater{}"
    assert f"\n{name} & 30.0 & 28.0--32.0 & 0.7 & 10.0 & $-$84.2{{*}} & 0.002 &" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 3
    for columns, body in re.findall(
        r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", text, re.S
    ):
        for row in body.split(r"\\")[:-1]:
            assert len(re.findall(r"(?<!\\)&", row)) == len(columns) - 1


def test_markdown_keeps_its_columns_whatever_the_names(tmp_path: Path) -> None:
    text = hostile(tmp_path)["table.md"].read_text("utf-8")
    assert r"| \[red\]a_b\|c 5%\&#{x}\$y^2 \<b\> | 30.0 | 28.0-32.0 |" in text
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("| ")]
    assert len(blocks) == 14
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block}) == 1


def test_names_are_no_terminal_markup() -> None:
    result = comparison()
    result["languages"]["sw"]["strategies"][2]["strategy"] = "[red]x\x1b[2J[/b]"
    text = printed(result, 100)
    assert "[red]x[2J[/b]" in text
    assert "\x1b" not in text


def test_a_clear_winner_is_called_one() -> None:
    line = findings(comparison())[0]
    assert line == (
        "sw: freeze has the lowest WER, 22.0 %; 92.2 points below the base model, beyond the "
        "noise (p = 0.002); 3.0 points below full, beyond the noise (p = 0.002); cheapest not "
        "measurably worse than the lowest: freeze (82.7 % of the parameters, 15.0 min)"
    )


def test_a_tie_is_within_the_noise_and_the_cheaper_is_named() -> None:
    result = only(comparison(), "sw", "freeze", "lora")
    frozen, lora = result["languages"]["sw"]["strategies"]
    frozen["vs_reference"] = difference(-0.03, UNSURE)
    lora["vs_best"] = difference(0.08, UNSURE)
    line = findings(result)[0]
    assert "3.0 points below full, within the noise (p = 0.410)" in line
    assert line.endswith(
        "not measurably worse than the lowest: lora trains least (0.677 % of the parameters), "
        "freeze is quickest (15.0 min)"
    )


def test_only_the_reference() -> None:
    assert findings(only(comparison(), "sw", "full")) == [
        "sw: only full was run: WER 25.0 %; 89.2 points below the base model, beyond the "
        "noise (p = 0.002)"
    ]


def test_the_reference_may_win() -> None:
    result = only(comparison(), "sw", "full", "lora")
    result["languages"]["sw"]["strategies"][0]["vs_best"] = None
    line = findings(result)[0]
    assert line.startswith("sw: full, the reference, has the lowest WER, 25.0 %;")
    assert line.endswith("lowest: full (100 % of the parameters, 30.0 min)")


def test_a_base_that_nothing_beats_is_said() -> None:
    result = only(comparison(), "sw", "full")
    row = result["languages"]["sw"]["strategies"][0]
    row["vs_base"] = difference(0.04, SURE)
    assert "4.0 points above the base model, beyond the noise" in findings(result)[0]
    row["vs_base"] = difference(0.0, 1.0)
    assert "level with the base model, within the noise" in findings(result)[0]


def test_no_split_to_choose_on_and_no_strategy_are_said() -> None:
    lines = findings(comparison())
    assert lines[2] == "is: no split to choose on, so the last weights: full, freeze"
    assert findings(only(comparison(), "is")) == ["is: no strategy was run"]
    assert "is: no strategy was run" in printed(only(comparison(), "is"), 80)


def test_times_that_other_runs_shortened_are_said() -> None:
    result = only(comparison(), "sw", "full", "freeze")
    for row, share in zip(result["languages"]["sw"]["strategies"], (0.0, 0.9), strict=False):
        row["warm_share"] = share
    name = result["languages"]["sw"]["strategies"][1]["strategy"]
    line = (
        f"sw: times of {name} are too short to compare: other runs had stored outputs of their "
        "frozen layers"
    )
    assert findings(result).count(line) == 1


def test_rendering_loads_no_torch() -> None:
    code = (
        "import sys, mothertongue.report.tables.terminal\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_one_seed_has_no_p_between_strategies_and_says_why() -> None:
    result = one_seed(comparison(), "sw")
    text = flat(printed(result, 100))
    assert "25.0 23.0-27.0 8.3 -89.2* 0.002 - -" in text
    assert "22.0 20.0-24.0 7.3 -92.2* 0.002 -3.0 -" in text
    why = "another run of the same settings may differ by as much; give several: seeds: [0, 1, 2]"
    assert f"no p between strategies with one seed: {why}" in text
    assert "p vs base is of these runs alone" in text
    line = findings(result)[0]
    assert "beyond the noise (this run, p = 0.002); 3.0 points below full; one seed" in line
    assert line.endswith(f"one seed, so not tested against full, lora: {why}")
    assert "measurably" not in line


def test_a_table_says_what_p_is_over_and_that_it_is_adjusted() -> None:
    (note,) = {sheet.note for sheet in headline(comparison(), "sw")[:1]}
    assert note == (
        "p: bootstrap over seeds x 37 speakers, adjusted by Holm for 3 comparisons; * p < 0.05"
    )


def test_a_p_at_its_bound_is_printed_as_at_most() -> None:
    result = comparison()
    result["languages"]["sw"]["strategies"][1]["vs_reference"] = difference(-0.03, 0.0003)
    assert "-3.0* <0.001" in flat(printed(result, 100))
    assert "3.0 points below full, beyond the noise (p < 0.001)" in findings(result)[0]


def test_languages_that_are_judged_by_cer_lead_with_it() -> None:
    result = by_cer(comparison())
    quality, first, second, _ = headline(result, "sw")
    assert quality.title.endswith("; chosen and compared by CER")
    assert quality.columns[:5] == ("strategy", "CER %", "95 %", "sd", "WER %")
    assert quality.rows[2][1:5] == ("7.3", "6.3-8.3", "0.2", "22.0")
    assert (first.title, second.title) == ("sw: CER % by normalizer", "sw: WER % by normalizer")
    assert findings(result)[0].startswith("sw: freeze has the lowest CER, 7.3 %")
    (mean,) = average_sheets(result)
    assert (mean.title, mean.columns[1]) == ("Mean CER over sw, is", "mean CER %")


def test_the_means_of_wer_and_cer_are_not_mixed() -> None:
    result = comparison()
    result["languages"]["is"]["measure"] = "cer"
    result["average"] = means(result["languages"], "full")
    wer, cer = average_sheets(result)
    assert (wer.title, cer.title) == ("Mean WER over sw", "Mean CER over is")
    assert [row[0] for row in wer.rows] == ["base (untouched)", "full (ref.)", "freeze", "lora"]
    assert cer.rows[0][1] == "12.73"
