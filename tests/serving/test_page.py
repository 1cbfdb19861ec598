"""The page in a real Chromium with a microphone that plays a file, against a real server.

MOTHERTONGUE_SHOTS=FOLDER keeps screenshots for people to look at.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from serving_fixtures import running

from mothertongue.audio import load_audio
from mothertongue.decoding.transcript import Clip, Transcript
from mothertongue.decoding.word_times import Word
from mothertongue.serving.limits import Limits
from mothertongue.serving.models import Offer, Served
from mothertongue.tokens import Tokens

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--mute-audio"),
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium"),
]
KEY = "a key of some length"
SAID = {
    "base": "Ikawa bada ya kufa, Musa <img src=x onerror=alert(1)>",
    "sw": "Ikawa baada ya kufa kwake Musa",
}
DROP = """([name, numbers]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(numbers)], name));
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}"""
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
SMALL = """() => [...document.querySelectorAll("main > section:not(#results) button, label.button")]
    .filter((each) => each.offsetParent && each.getBoundingClientRect().height < 44)
    .map((each) => each.outerHTML)"""


class Scripted:
    """One engine for two models, told apart by their adapters: each says its text, word by word."""

    def __call__(self, audio: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
        raise AssertionError

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        return [self._said(SAID[clip.adapter or "base"]) for clip in clips]

    def _said(self, text: str) -> Transcript:
        words = tuple(
            Word(f" {word}", 0.1 * i, 0.1 * i + 0.1, 0.3 if word == "bada" else 0.9, (i,))
            for i, word in enumerate(text.split())
        )
        return Transcript(text, "sw", (1,), -0.2, words=words, no_speech_probability=0.01)


@pytest.fixture(scope="module")
def sites(tokens: Tokens) -> Iterator[tuple[Any, Any]]:
    """The server without a key, and with one."""
    models = {
        "base": Served("base", "base", 0, tokens, None, base="openai/whisper-base"),
        "sw": Served("sw", "run", 0, tokens, "sw", "lora", "openai/whisper-base", "sw"),
        "<b>x</b>": Served("<b>x</b>", "base", 0, tokens, None),
    }
    offer = Offer(models, [Scripted()])
    with running(offer, Limits()) as open_, running(offer, Limits(), KEY) as locked:
        yield open_, locked


@pytest.fixture(scope="module")
def browser(recordings: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    spoken = tmp_path_factory.mktemp("microphone") / "spoken.wav"
    soundfile.write(spoken, np.concatenate([load_audio(path) for path in recordings]), 16_000)
    fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    options = [*QUIET, *fake, f"--use-file-for-fake-audio-capture={spoken}"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield launched
        launched.close()


class Opened:
    """The page, and all that it said or asked for that it should not have."""

    def __init__(self, browser: Any, site: Any, **settings: Any) -> None:
        self.site = site
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", lambda dialog: self.messages.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(site.url)

    def drop(self, path: Path) -> None:
        self.page.wait_for_selector("#models label")
        self.page.evaluate(DROP, [path.name, list(path.read_bytes())])

    def shot(self, name: str) -> None:
        if folder := os.environ.get("MOTHERTONGUE_SHOTS"):
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    def close_quietly(self, expected: tuple[str, ...] = ()) -> None:
        odd = [each for each in self.messages if not any(word in each for word in expected)]
        outside = [
            url for url in self.requests if not url.startswith((self.site.url, "blob:", "data:"))
        ]
        assert (odd, outside) == ([], [])
        self.context.close()


def texts(page: Any, selector: str) -> list[str]:
    return [each.strip() for each in page.locator(selector).all_inner_texts()]


def test_what_is_recorded_is_transcribed_by_both(browser: Any, sites: Any) -> None:
    opened = Opened(browser, sites[0], permissions=["microphone"])
    page = opened.page
    page.wait_for_selector("#models label")
    assert texts(page, "#models b") == ["base", "<b>x</b>", "sw"]
    page.keyboard.press("r")
    page.wait_for_timeout(2500)
    assert page.locator("#level").evaluate("(each) => each.value") >= 0
    page.keyboard.press("r")
    page.wait_for_selector("#player:not([hidden])")
    assert page.evaluate("state.sound.size") > 1000
    page.keyboard.press("t")
    page.wait_for_selector("article:nth-of-type(2) .other")
    assert texts(page, "article h3") == ["base", "sw"]
    second = page.locator("article").nth(1)
    assert "baada" in texts(second, ".other") and "kwake" in texts(second, ".other")
    assert "<img" in texts(second, "del")
    assert page.locator("article img").count() == 0
    assert texts(page.locator("article").first, ".unsure") == ["bada"]
    second.locator(".word").nth(2).press("Enter")
    assert page.locator("#player").evaluate("(each) => each.currentTime") >= 0.2
    opened.shot("studio")
    opened.close_quietly()


def test_against_what_was_said_and_as_a_file(
    browser: Any, sites: Any, recordings: list[Path]
) -> None:
    opened = Opened(browser, sites[0])
    page = opened.page
    opened.drop(recordings[0])
    page.fill("#reference", "ikawa, BAADA ya kufa kwake Musa")
    page.click("#transcribe")
    page.wait_for_selector("article:nth-of-type(2) .word")
    notes = texts(page, "article p")
    assert "5 of 6 words wrong" in notes[0] and "0 of 6 words wrong" in notes[1]
    assert page.locator("article").nth(1).locator(".other, del").count() == 0
    page.fill("#reference", "")
    assert "words differ" in texts(page, "article p")[1]
    with page.expect_download() as caught:
        page.click("[aria-label='Download srt of sw']")
    assert caught.value.suggested_filename == f"{recordings[0].stem}.sw.srt"
    head, times, text, *_ = Path(caught.value.path()).read_text("utf-8").splitlines()
    assert (head, text) == ("1", SAID["sw"]) and " --> " in times
    opened.close_quietly()


def test_a_key_is_asked_for(browser: Any, sites: Any, recordings: list[Path]) -> None:
    opened = Opened(browser, sites[1])
    page = opened.page
    page.wait_for_selector("#key-form:not([hidden])")
    page.fill("#key", KEY)
    page.keyboard.press("Enter")
    opened.drop(recordings[0])
    page.click("#transcribe")
    page.wait_for_selector("article:nth-of-type(2) .word")
    opened.close_quietly(expected=("401",))


def test_what_goes_wrong_is_said_and_can_be_tried_again(
    browser: Any, sites: Any, recordings: list[Path], tmp_path: Path
) -> None:
    opened = Opened(browser, sites[0])
    page = opened.page
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no audio")
    opened.drop(broken)
    page.click("#transcribe")
    page.wait_for_selector("article:nth-of-type(2) .error")
    assert "AUD-FORMAT" in texts(page, "article .error")[0]
    opened.drop(recordings[0])
    page.locator("article").first.get_by_text("Try again").click()
    page.wait_for_selector("article:first-of-type .word")
    opened.close_quietly(expected=("400",))


def test_on_a_phone_in_the_dark(browser: Any, sites: Any, recordings: list[Path]) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark", "has_touch": True}
    opened = Opened(browser, sites[0], **phone)
    opened.drop(recordings[0])
    opened.page.click("#transcribe")
    opened.page.wait_for_selector("article:nth-of-type(2) .word")
    assert not opened.page.evaluate(WIDE)
    assert opened.page.evaluate(SMALL) == []
    opened.shot("studio-phone")
    opened.close_quietly()
