"""The clips of a page with several test sets, in a real Chromium."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chromium import Watched, launched, needs_chromium
from comparison_results import comparison, only
from known_corpus import spoken
from report_folders import comparison_folder

from mothertongue.comparison.clips import clip_set
from mothertongue.report.write import write_report
from mothertongue.system.files import write_json

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


def written(folder: Path, name: str, *strategies: str) -> Path:
    """A comparison in Swahili; its clips are in a set of its own name."""
    comparison_folder(folder, **only(comparison(), "sw", *strategies) | {"name": name})
    rows = [replace(each, id=f"{name}-{each.id}") for each in spoken()]
    systems = dict.fromkeys(["base", *strategies], rows)
    sets = [clip_set("sw", "test", [folder / "data"], systems, "wer")]
    write_json(folder / "clips.json", sets)
    return folder


def test_each_set_is_of_its_comparison_and_opens_at_the_best_of_it(
    browser: Any, tmp_path: Path
) -> None:
    one = written(tmp_path / "one", "one", "full", "freeze", "lora")
    two = written(tmp_path / "two", "two", "full", "lora")
    opened = Watched(browser)
    page = opened.page
    page.goto(Path(write_report([one, two]).page).as_uri())
    page.wait_for_selector("#explorer[data-ready]")
    sets, systems = (page.locator(".tools select").nth(n) for n in range(2))
    assert sets.locator("option").all_inner_texts() == ["one, sw, test", "two, sw, test"]
    assert systems.input_value() == "freeze"
    assert opened.texts(".detail .head strong") == ["one-clip2"]
    sets.select_option(index=1)
    assert systems.input_value() == "full"
    assert opened.texts(".detail .head strong") == ["two-clip2"]
    assert opened.texts(".detail .name") == ["reference", "base", "full", "lora"]
    (head,) = opened.texts(".detail .head")
    assert head.split("\n")[1:] == ["12.0 s", "speaker ana", "2 words", "no sound on this page"]
    assert opened.messages == []
    opened.context.close()
