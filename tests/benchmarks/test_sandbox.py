"""The benchmark of the sandbox: both sides decode all clips, and the page says what it found."""

from pathlib import Path

import page
import pytest
from programs.sandbox import VERBS, measured
from sections.sandbox import _corpus, _summary


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _corpus(tmp_path_factory.mktemp("clips") / "wav", "wav", 3)


@pytest.mark.parametrize("verb", VERBS)
def test_both_sides_decode_all_clips(table: Path, verb: str) -> None:
    replies = [measured(table, verb, is_sandboxed) for is_sandboxed in (True, False)]
    assert [each["clips"] for each in replies] == [3, 3]
    assert all(each["seconds"] > 0 for each in replies)


def test_the_page_has_the_medians() -> None:
    replies = [{"clips": 100, "seconds": s, "processor_s": 2 * s} for s in (1.0, 2.0, 10.0)]
    ours, theirs = _summary(replies), _summary(replies[:1])
    row = page._sandbox_row({"sandbox": ours, "in process": theirs})
    assert row == ["100.00 (100.00-100.00)", "50.00 (10.00-100.00)", "2.00", "20.0 and 40.0"]
