"""The page in a real Chromium, from a file, with nothing to load from anywhere.

MOTHERTONGUE_SHOTS=FOLDER keeps the screenshots that these tests take, for people to look at.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chromium import LOW_CONTRAST, Watched, launched, needs_chromium
from known_corpus import spoken
from report_folders import (
    HOSTILE,
    comparison_folder,
    many_clips,
    poisoned,
    save_tested,
)

from mothertongue.comparison.clips import clip_set
from mothertongue.report.write import ReportOptions, write_report
from mothertongue.system.files import write_json
from mothertongue.system.json_files import to_json

pytestmark = needs_chromium
TEXTS = "p, li, th, td, h1, h2, h3, summary, label, button:not(:disabled), del, ins, .sub"
UNNAMED = """() => [
    ...document.querySelectorAll("button, input, select, [role=listbox], canvas, nav")
].filter((each) => {
    const name = each.textContent || each.getAttribute("aria-label") || each.placeholder;
    return !(name || (each.labels && each.labels.length));
}).map((each) => each.outerHTML)"""
SCROLL = """() => new Promise((done) => {
    const rows = document.querySelector(".rows");
    let frames = 0;
    function frame() {
        rows.scrollTop += 2000;
        if (++frames < 60) requestAnimationFrame(frame); else done(frames);
    }
    requestAnimationFrame(frame);
})"""
INKED = """() => {
    const canvas = document.querySelector(".detail canvas"), brush = canvas.getContext("2d");
    return brush.getImageData(0, 0, canvas.width, canvas.height).data.some((x) => x > 0);
}"""
PLAYED_S = "document.querySelector('.detail audio').currentTime"


def processor_seconds(page: Any) -> Callable[[], float]:
    """A function that returns the seconds that a page's thread has worked: others do not count."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def worked_s() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    return worked_s


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as browser:
        yield browser


class Opened(Watched):
    """A report's page."""

    def __init__(self, browser: Any, path: Path, **settings: Any) -> None:
        super().__init__(browser, **settings)
        self.go(path)

    def go(self, path: Path, view: str = "") -> None:
        self.page.goto(path.as_uri() + view)
        self.page.wait_for_selector("#explorer[data-ready]")

    def until(self, expression: str, seconds: float = 120) -> None:
        """Wait until it is true in the page, which forbids that scripts make scripts."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, expression
            self.page.wait_for_timeout(20)

    def close_quietly(self) -> None:
        """Nothing in the console, and no request but for the file itself and its data."""
        outside = [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]
        assert (self.messages, outside) == ([], [])
        self.context.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = comparison_folder(tmp_path_factory.mktemp("browser") / "first")
    perfect = [replace(each, hypothesis=each.reference) for each in spoken()]
    worse = [perfect[0], replace(spoken()[1], hypothesis="la"), perfect[2]]
    systems = {"base": spoken(), "full": perfect, "freeze": worse}
    write_json(folder / "clips.json", [clip_set("sw", "test", [folder / "data"], systems, "wer")])
    return Path(write_report([folder]).page)


def test_it_opens_from_a_file_and_says_what_was_found(browser: Any, path: Path) -> None:
    opened = Opened(browser, path)
    assert opened.page.title() == "first - mothertongue"
    assert "Use freeze: 22 words in 100 wrong" in opened.texts(".card h2")[0]
    first_paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    found_ms = []
    for _ in range(3):  # the machine may do other things
        opened.go(path)
        found_ms.append(opened.page.evaluate(first_paint))
    assert min(found_ms) < 1000
    opened.close_quietly()


def test_tables_sort_by_value_and_switch_their_normalizer(browser: Any, path: Path) -> None:
    opened = Opened(browser, path)
    names = "#table table:first-of-type >> nth=0 >> tbody th"
    table = opened.page.locator("#table table").first
    before = opened.texts(names)
    assert before[0] == "base (untouched)"
    table.locator("thead button", has_text="WER").first.click()
    assert [name.split(" ")[0] for name in opened.texts(names)] == [
        "freeze",
        "full",
        "lora",
        "base",
    ]
    assert table.locator("th").nth(1).get_attribute("aria-sort") == "ascending"
    table.locator("thead button", has_text="WER").first.click()
    assert [name.split(" ")[0] for name in opened.texts(names)] == [
        "base",
        "lora",
        "full",
        "freeze",
    ]
    table.locator("thead button", has_text="memory").click()
    assert opened.texts(names)[-1] == "base (untouched)"  # what has no value is last
    cell = table.locator("tbody tr", has_text="lora").locator("td").first
    assert cell.inner_text() == "30.0"
    opened.page.locator("input[value=whisper]").first.check()
    assert cell.inner_text() == "32.0"
    opened.close_quietly()


def first_words(texts: list[str]) -> list[str]:
    return [text.split(" ")[0] for text in texts]


def test_charts_say_what_a_mark_is(browser: Any, path: Path) -> None:
    opened = Opened(browser, path)
    mark = opened.page.locator(".chart path[aria-label^='freeze: WER 22.0 %']").first
    mark.hover()
    assert opened.page.locator("#tooltip").inner_text() == "freeze: WER 22.0 %, 95 % 20.0-24.0"
    opened.close_quietly()


def test_clips_filter_by_preset_speaker_and_text(browser: Any, path: Path) -> None:
    opened = Opened(browser, path)
    page = opened.page

    def shown() -> list[str]:
        return [text.split("\n")[0] for text in opened.texts(".row .who")]

    # freeze is the recommended one: of it, clip1 is the worst, and worse than the base's.
    assert page.locator(".tools select").nth(1).input_value() == "freeze"
    assert shown()[0] == "clip1"
    page.get_by_role("button", name="Fixed by tuning").click()
    assert shown() == ["clip2", "clip0"]
    page.get_by_role("button", name="Broken by tuning").click()
    assert shown() == ["clip1"]
    page.locator(".tools select").nth(1).select_option("full")
    assert opened.texts(".empty") == ["No clip is like that."]
    page.get_by_role("button", name="All", exact=True).click()
    assert shown() == ["clip0", "clip1", "clip2"]
    assert sorted(shown()) == sorted(shown_after(page, "Random", shown))
    page.get_by_role("button", name="All", exact=True).click()
    page.locator(".tools select").nth(2).select_option("ben")
    assert shown() == ["clip1"]
    page.locator(".tools select").nth(2).select_option("")
    page.get_by_label("Search").fill("asante")
    opened.until("document.querySelectorAll('.row').length === 1")
    assert shown() == ["clip2"]
    assert opened.texts(".count") == ["1 of 3 clips"]
    opened.close_quietly()


def shown_after(page: Any, preset: str, shown: Any) -> list[str]:
    page.get_by_role("button", name=preset).click()
    return list(shown())


def test_differences_are_marked_and_colored(browser: Any, path: Path) -> None:
    opened = Opened(browser, path)
    page = opened.page
    page.locator(".tools select").nth(1).select_option("base")
    page.get_by_role("button", name="All", exact=True).click()
    page.locator(".row").nth(0).click()
    heard = page.locator(".detail .heard").nth(1)
    assert heard.locator(".sub").inner_text() == "chakuli"
    assert heard.locator(".sub b").inner_text() == "i"
    assert heard.locator(".sub").get_attribute("title") == "reference: chakula"
    page.locator(".row").nth(1).click()
    assert page.locator(".detail .heard").nth(1).locator("del").inner_text() == "ya"
    page.locator(".row").nth(2).click()
    assert page.locator(".detail .heard").nth(1).locator("ins").inner_text() == "sana"
    colors = {
        page.locator(f".note ~ * {mark}, #clips p {mark}").first.evaluate(
            "each => getComputedStyle(each).backgroundColor"
        )
        for mark in ("span.sub", "del", "ins")
    }
    assert len(colors) == 3
    assert "rgba(0, 0, 0, 0)" not in colors
    opened.close_quietly()


def test_a_clip_plays_and_the_keyboard_does_it_all(browser: Any, path: Path) -> None:
    opened = Opened(browser, path)
    page = opened.page
    page.get_by_role("button", name="All", exact=True).click()
    page.locator(".rows").focus()
    page.keyboard.press("k")
    page.keyboard.press("k")
    assert opened.texts(".detail .head strong") == ["clip0"]
    page.keyboard.press("j")
    assert opened.texts(".detail .head strong") == ["clip1"]
    assert page.locator(".row[aria-selected=true]").count() == 1
    page.keyboard.press(" ")
    opened.until(f"{PLAYED_S} > 0.1")
    duration = page.evaluate("document.querySelector('.detail audio').duration")
    assert duration == pytest.approx(5.0, abs=0.2)
    page.keyboard.press(" ")
    assert page.evaluate("document.querySelector('.detail audio').paused")
    assert page.evaluate(INKED)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    opened.close_quietly()


def test_a_view_has_a_link(browser: Any, path: Path) -> None:
    opened = Opened(browser, path)
    page = opened.page
    page.locator(".tools select").nth(1).select_option("base")
    page.locator(".tools select").nth(2).select_option("ana")
    page.get_by_role("button", name="All", exact=True).click()
    page.locator(".row").nth(1).click()
    page.get_by_role("button", name="Link to this view").click()
    view = "#" + page.url.split("#")[1]
    opened.go(path.parent / path.name)
    opened.page.goto("about:blank")
    opened.go(path, view)
    assert page.locator(".tools select").nth(1).input_value() == "base"
    assert opened.texts(".count") == ["2 of 3 clips"]
    assert opened.texts(".detail .head strong") == ["clip2"]
    opened.close_quietly()


def test_audio_beside_the_page_plays(browser: Any, tmp_path: Path) -> None:
    folder = comparison_folder(tmp_path / "first")
    page_path = Path(write_report([folder], options=ReportOptions(audio="beside")).page)
    opened = Opened(browser, page_path)
    opened.page.locator(".row .play").first.click()
    opened.until(f"{PLAYED_S} > 0.1")
    opened.close_quietly()


def test_hostile_text_raises_no_dialog_and_no_request(browser: Any, tmp_path: Path) -> None:
    folder = comparison_folder(tmp_path / "first")
    rows = [
        replace(spoken()[0], id=f"{text}{i}", reference=text, hypothesis=text, speaker=text)
        for i in range(4)
        for text in HOSTILE
    ]
    sets = [
        clip_set("sw", "test", [save_tested(tmp_path / "d")], {"base": rows, "full": rows}, "wer")
    ]
    write_json(folder / "clips.json", poisoned(to_json(sets)))
    result = poisoned(json.loads((folder / "comparison.json").read_text()))
    write_json(folder / "comparison.json", result)
    opened = Opened(browser, Path(write_report([folder], tmp_path / "page.html").page))
    page = opened.page
    assert opened.texts(".count") == ["240 of 240 clips"]
    for _ in range(60):
        page.keyboard.press("j")
    page.locator(".rows").evaluate("each => each.scrollTo(0, each.scrollHeight)")
    page.get_by_label("Search").fill("<script>")
    opened.until("!document.querySelector('.count').textContent.startsWith('240')")
    strange = "#explorer :is(script, img, svg, iframe)"
    assert page.locator(strange).count() == 0
    assert page.evaluate("document.scripts.length") == 3
    for mark in page.locator(".chart path[aria-label]").all()[:20]:
        mark.dispatch_event("pointermove", {"bubbles": True})
    opened.close_quietly()


def test_ten_thousand_clips_stay_smooth(browser: Any, tmp_path: Path) -> None:
    folder = comparison_folder(tmp_path / "first")
    write_json(folder / "clips.json", [many_clips(10_000)])
    path = Path(write_report([folder], options=ReportOptions(audio="none")).page)
    opened = Opened(browser, path)
    page, worked_s = opened.page, processor_seconds(opened.page)
    assert page.locator(".row").count() < 60
    before_s = worked_s()
    frames = page.evaluate(SCROLL)
    assert (worked_s() - before_s) / frames < 0.2
    assert page.locator(".row").count() < 60
    before_s = worked_s()
    page.get_by_label("Search").fill("neno7 neno12")
    opened.until("!document.querySelector('.count').textContent.startsWith('10,000')")
    assert 0 < worked_s() - before_s < 5
    opened.close_quietly()


@pytest.mark.parametrize(
    ("name", "width", "height", "scheme"),
    [("desktop", 1280, 900, "light"), ("phone", 390, 844, "dark")],
)
def test_it_fits_the_screen(
    name: str, width: int, height: int, scheme: str, browser: Any, path: Path, tmp_path: Path
) -> None:
    opened = Opened(browser, path, viewport={"width": width, "height": height}, color_scheme=scheme)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 25)"
    assert dark == (scheme == "dark")
    folder = Path(os.environ.get("MOTHERTONGUE_SHOTS", tmp_path))
    page.screenshot(path=folder / f"report-{name}.png", full_page=True)
    page.locator("#explorer").screenshot(path=folder / f"report-{name}-clips.png")
    assert (folder / f"report-{name}.png").stat().st_size > 50_000
    opened.close_quietly()


def test_every_control_has_a_name_and_text_has_contrast(browser: Any, path: Path) -> None:
    opened = Opened(browser, path)
    assert opened.page.evaluate(UNNAMED) == []
    assert opened.page.evaluate(LOW_CONTRAST, TEXTS) == []
    opened.page.emulate_media(color_scheme="dark")
    assert opened.page.evaluate(LOW_CONTRAST, TEXTS) == []
    opened.close_quietly()
