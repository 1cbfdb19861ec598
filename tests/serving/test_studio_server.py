"""The page against the real server and real, tiny models: under its policy, with its answers."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium")
def test_each_model_answers_on_the_page(
    server: Any, recordings: list[Path], expected: Callable[[str, int], str]
) -> None:
    from playwright.sync_api import sync_playwright

    messages: list[str] = []
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--mute-audio"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        page = browser.new_page()
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(server.url)
        page.locator(".model").first.wait_for()
        page.locator("#file").set_input_files(recordings[0])
        page.locator("#language").fill("sw")
        page.locator("#transcribe").click()
        page.locator(".card[data-state=done]").nth(3).wait_for(timeout=20_000)
        shown = page.locator(".card .text").first.inner_text()
        browser.close()
    assert messages == []
    # Of the first card, which is compared with no other: random weights write odd spaces.
    assert "".join(shown.split()) == "".join(expected("base", 0).split())
