"""Debian's Chromium for tests of pages: quiet, offline, and watched for what it should not do."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--mute-audio"),
    "--autoplay-policy=no-user-gesture-required",
)
needs_chromium = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium"),
]
# Of the elements that a selector finds, the contrast and the text where the contrast is too low.
LOW_CONTRAST = """(selector) => {
    const luminance = (color) => {
        const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((x) => x / 255)
            .map((x) => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (each) => {
        for (; each; each = each.parentElement) {
            const color = getComputedStyle(each).backgroundColor;
            if (!color.endsWith(", 0)")) return color;
        }
        return "rgb(255, 255, 255)";
    };
    return [...document.querySelectorAll(selector)]
        .filter((each) => each.offsetParent && each.innerText?.trim())
        .map((each) => {
            const [a, b] = [luminance(getComputedStyle(each).color), luminance(behind(each))];
            return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), each.innerText];
        }).filter(([ratio]) => ratio < 4.5);
}"""


@contextmanager
def launched(options: Sequence[str] = ()) -> Iterator[Any]:
    """The browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *options])
        yield browser
        browser.close()


class Watched:
    """A page, and all that it did which it should not: messages, dialogs, requests."""

    def __init__(self, browser: Any, **settings: Any) -> None:
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)  # ms; the machine may be busy
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", self._dismiss)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def texts(self, selector: str) -> list[str]:
        return [text.strip() for text in self.page.locator(selector).all_inner_texts()]

    def _dismiss(self, dialog: Any) -> None:
        self.messages.append(f"dialog: {dialog.message}")
        dialog.dismiss()


def shot(page: Any, name: str, **settings: Any) -> None:
    """A picture for people to look at, in $MOTHERTONGUE_SHOTS where that is set."""
    if folder := os.environ.get("MOTHERTONGUE_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", **settings)
