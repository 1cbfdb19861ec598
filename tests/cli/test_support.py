"""The functions that the verbs share."""

import os
from pathlib import Path

import pytest
from rich.console import Group
from rich.table import Table
from rich.text import Text

from mothertongue.cli.support import lacks_page, show


def test_a_table_that_no_terminal_shows_is_as_wide_as_its_cells(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = Table("run", "words", "figure", box=None)
    name, words = "sw-" + 90 * "x", "moja " * 40
    table.add_row(name, words, "12.3")
    show({}, Group(table, Text(words + "mbili")), None)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["run", "words", "figure"],
        [name, *words.split(), "12.3"],
        [*words.split(), "mbili"],
    ]


def test_a_page_that_is_older_than_the_scores_is_no_page_of_them(tmp_path: Path) -> None:
    (tmp_path / "eval").mkdir()
    page, record, scores = (
        tmp_path / name for name in ("report.html", "record.json", "eval/test.json")
    )
    record.touch()
    assert lacks_page(tmp_path)
    page.touch()
    os.utime(record, ns=(1, 1))
    os.utime(page, ns=(2, 2))
    assert not lacks_page(tmp_path)
    scores.touch()
    os.utime(scores, ns=(3, 3))
    assert lacks_page(tmp_path)
    os.utime(page, ns=(3, 3))
    assert not lacks_page(tmp_path)
    page.with_name(".report.html.lock").touch()  # a killed command left it
    assert lacks_page(tmp_path)
