"""The studio's page before a stub of the server, in a Chromium whose microphone plays a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from chromium import Watched, launched
from studio_stub import Stub, said, stub_server

MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
RATE_HZ = 48_000
BASE, TUNED = "Habari ya asubui, rafiki", "Habari za asubuhi rafiki yangu"


def tones(path: Path, seconds: float = 3.0) -> Path:
    at_s = np.arange(int(RATE_HZ * seconds)) / RATE_HZ
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 440 * at_s * (1 + at_s // 1)), RATE_HZ)
    return path


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tones(tmp_path_factory.mktemp("studio") / "greeting one.wav")


@pytest.fixture(scope="module")
def browser(sound: Path) -> Iterator[Any]:
    with launched((*MICROPHONE, f"--use-file-for-fake-audio-capture={sound}")) as browser:
        yield browser


@pytest.fixture(scope="module")
def running() -> Iterator[Stub]:
    with stub_server() as stub:
        yield stub


@pytest.fixture
def stub(running: Stub) -> Stub:
    running.reset()
    running.answers |= {"base": [said(BASE, unsure="asubui,")], "sw": [said(TUNED)]}
    return running


class Opened(Watched):
    """The page of the stub's server."""

    def __init__(self, browser: Any, stub: Stub, script: str = "", **settings: Any) -> None:
        super().__init__(browser, **settings)
        self.url = stub.url
        if script:
            self.page.add_init_script(script)
        self.page.goto(stub.url)

    def until(self, selector: str, text: str) -> None:
        self.page.locator(selector, has_text=text).first.wait_for()

    def choose(self, sound: Path) -> None:
        self.page.locator(".model").first.wait_for()
        self.page.locator("#file").set_input_files(sound)

    def transcribe(self, sound: Path, cards: int = 2) -> None:
        self.choose(sound)
        self.page.locator("#transcribe").click()
        self.page.locator(".card[data-state=done]").nth(cards - 1).wait_for()

    def text(self, card: int) -> Any:
        return self.page.locator(".card").nth(card).locator(".text")

    def close_quietly(self, refused: int = 0) -> None:
        """Nothing in the console but the browser's own word on each refused request."""
        own = [each for each in self.messages if not each.startswith("Failed to load resource")]
        outside = [url for url in self.requests if not url.startswith((self.url, "blob:", "data:"))]
        assert (own, outside, len(self.messages)) == ([], [], refused)
        self.context.close()
