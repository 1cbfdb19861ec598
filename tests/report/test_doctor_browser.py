"""The page of `doctor` in a real Chromium: sound plays, and what is decided is exported."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import LOW_CONTRAST, Watched, launched, needs_chromium, shot
from clips import tone, write_clip
from doctor_records import doctor_record
from report_folders import HOSTILE

from mothertongue.data.decisions import Decision, read_decisions, write_decisions
from mothertongue.data.manifest import Utterance, write_manifest
from mothertongue.diagnosis.findings import Finding
from mothertongue.report.doctor_page import write_doctor_page

pytestmark = needs_chromium
TEXTS = "p, li, th, td, h1, h3, small, dt, dd, label, button, kbd, .code, .todo, textarea"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


def written(folder: Path, names: list[str], text: str = "habari ya asubuhi") -> Path:
    """Write a page on clips of a second with these ids; the second one has a better text."""
    clips = [
        Utterance(name, write_clip(folder / f"{i}.wav", tone(1.0, 200 + i)).name, text, "sw", 1.0)
        for i, name in enumerate(names)
    ]
    write_manifest(folder / "manifest.jsonl", clips)
    findings = [
        Finding(name, "MISPAIRED", 0.9, text, text=text, heard=text, says=says)
        for name, says in zip(names, [None, names[0], *[None] * len(names)], strict=False)
    ]
    record = doctor_record(findings, data=str(folder), clips=9, warnings=[text])
    return write_doctor_page(record, folder, folder / "doctor", 4.0)


class Opened(Watched):
    """A doctor's page."""

    def __init__(self, browser: Any, path: Path, **settings: Any) -> None:
        super().__init__(browser, **settings)
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("#decided:not(:empty)")

    def until(self, expression: str) -> None:
        """Wait until it is true in the page, which forbids that scripts make scripts."""
        end = time.monotonic() + 10
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, expression
            self.page.wait_for_timeout(20)

    def exported(self, path: Path) -> dict[str, Decision]:
        """Press the button; return the decisions in the file that the browser saves."""
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name="Export decisions.jsonl").click()
        assert download.value.suggested_filename == "decisions.jsonl"
        download.value.save_as(path)
        return read_decisions(path)

    def close_quietly(self) -> None:
        """Close it; nothing is in the console, and nothing was loaded but the file and its data."""
        outside = [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]
        assert (self.messages, outside) == ([], [])
        self.context.close()


def test_what_is_decided_is_what_prepare_reads(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, written(tmp_path, ["a", "b", "c", "d"]))
    cards = opened.page.locator(".finding")
    assert opened.texts("#decided") == ["accept 4, fix 0, drop 0"]
    cards.nth(1).get_by_label("fix").check()
    assert cards.nth(1).locator("textarea").input_value() == "habari ya asubuhi"
    cards.nth(1).locator("textarea").fill('  habari "za" jioni\n— ndiyo \\ ')
    cards.nth(2).get_by_label("drop").check()
    assert not cards.nth(2).locator("textarea").is_visible()
    assert opened.texts("#decided") == ["accept 2, fix 1, drop 1"]
    shot(opened.page, "doctor", full_page=True)
    found = opened.exported(tmp_path / "decisions.jsonl")
    assert found == {
        "a": Decision("a", "accept", note="MISPAIRED"),
        "b": Decision("b", "fix", 'habari "za" jioni\n— ndiyo \\', "MISPAIRED"),
        "c": Decision("c", "drop", note="MISPAIRED"),
        "d": Decision("d", "accept", note="MISPAIRED"),
    }
    opened.close_quietly()


def test_what_was_decided_before_is_shown_and_exported_again(browser: Any, tmp_path: Path) -> None:
    before = {
        "b": Decision("b", "fix", 'habari\n"za" jioni'),
        "c": Decision("c", "drop", note="heard twice"),
        "gone": Decision("gone", "drop", note="MISPAIRED </script>\u2028"),
    }
    write_decisions(tmp_path / "doctor/decisions.jsonl", before.values())
    opened = Opened(browser, written(tmp_path, ["a", "b", "c"]))
    assert opened.texts("#decided") == ["accept 1, fix 1, drop 1"]
    assert opened.page.locator("textarea").nth(1).is_visible()
    found = opened.exported(tmp_path / "decisions.jsonl")
    assert found == before | {"a": Decision("a", "accept", note="MISPAIRED")}
    opened.close_quietly()


def test_a_fix_without_a_text_is_not_exported(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, written(tmp_path, ["a", "b"]))
    opened.page.locator(".finding").nth(1).get_by_label("fix").check()
    opened.page.locator("textarea").nth(1).fill("  ")
    opened.page.get_by_role("button", name="Export decisions.jsonl").click()
    assert opened.texts("#decided") == ["b: fix needs a text"]
    assert opened.page.evaluate("document.activeElement.value") == "  "
    opened.close_quietly()


def test_the_keyboard_plays_and_decides(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, written(tmp_path, ["a", "b", "c"]))
    keys = opened.page.keyboard
    for key in ("j", "j", "k", "j"):
        keys.press(key)
    assert opened.page.evaluate("document.activeElement.dataset.id") == "b"
    keys.press(" ")
    opened.until("document.querySelectorAll('audio')[1].currentTime > 0.1")
    assert opened.page.evaluate("document.querySelectorAll('audio')[1].duration") == pytest.approx(
        1.0, abs=0.2
    )
    keys.press("f")
    keys.press("Control+End")
    keys.type(" na jioni")  # an a or a j in a text decides nothing
    keys.press("Escape")
    keys.press("j")
    keys.press("d")
    keys.press("j")  # there is no next one
    assert opened.page.evaluate("document.activeElement.dataset.id") == "c"
    found = opened.exported(tmp_path / "decisions.jsonl")
    assert [each.decision for each in found.values()] == ["accept", "fix", "drop"]
    assert found["b"].text == "habari ya asubuhi na jioni"
    opened.close_quietly()


def test_hostile_texts_are_shown_and_exported_as_they_are(browser: Any, tmp_path: Path) -> None:
    names = list(HOSTILE[::6])
    opened = Opened(browser, written(tmp_path, names, "".join(HOSTILE)))
    assert opened.page.locator("main :is(script, img, svg, iframe, b)").count() == 0
    assert opened.page.evaluate("document.scripts.length") == 2
    for fix in opened.page.get_by_label("fix", exact=False).all():
        if fix.get_attribute("type") == "radio":
            fix.check()
    found = opened.exported(tmp_path / "decisions.jsonl")
    assert list(found) == names
    assert {each.text for each in found.values()} == {"".join(HOSTILE)}
    lines = (tmp_path / "decisions.jsonl").read_text("utf-8").split("\n")
    assert json.loads(lines[0])["id"] == names[0]
    opened.close_quietly()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_has_contrast(scheme: str, browser: Any, tmp_path: Path) -> None:
    view = {"viewport": {"width": 390, "height": 844}, "color_scheme": scheme}
    opened = Opened(browser, written(tmp_path, ["a", "b" * 80]), **view)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert opened.page.evaluate(LOW_CONTRAST, TEXTS) == []
    shot(opened.page, f"doctor-phone-{scheme}", full_page=True)
    opened.close_quietly()


def test_a_correction_that_is_being_typed_is_not_saved_yet(browser: Any, tmp_path: Path) -> None:
    """A browser says that a field changed only when the field is left."""
    opened = Opened(browser, written(tmp_path, ["a"]))
    opened.page.get_by_label("fix").check()
    opened.exported(tmp_path / "decisions.jsonl")
    assert opened.page.evaluate("isSaved")
    opened.page.locator("textarea").press_sequentially("ya")
    assert not opened.page.evaluate("isSaved")
    opened.close_quietly()
