"""How sound comes to the page: the microphone and what may be wrong with it, and dropped files."""

from pathlib import Path
from typing import Any

import pytest
from chromium import needs_chromium
from studio_pages import Opened, tones
from studio_stub import Stub

pytestmark = needs_chromium
DROP = """([name, type, bytes]) => {
    const dropped = new DataTransfer();
    dropped.items.add(new File([new Uint8Array(bytes)], name, { type }));
    for (const kind of ["dragover", "drop"]) {
        document.querySelector("h1").dispatchEvent(
            new DragEvent(kind, { dataTransfer: dropped, bubbles: true, cancelable: true }));
    }
}"""
# In place of the microphone: a tone, louder than full scale, silent; or a refusal.
TONE = """navigator.mediaDevices.getUserMedia = async () => {
    const context = new AudioContext(), to = context.createMediaStreamDestination();
    const tone = new OscillatorNode(context), gain = new GainNode(context, { gain: %s });
    tone.connect(gain).connect(to);
    tone.start();
    return to.stream;
};"""
REFUSAL = """navigator.mediaDevices.getUserMedia = async () => {
    throw new DOMException("no", "%s");
};"""


def test_a_recording_is_heard_and_sent(browser: Any, stub: Stub) -> None:
    opened = Opened(browser, stub)
    page = opened.page
    page.locator(".model").first.wait_for()
    page.keyboard.press("r")
    opened.until("#clock", "0:01 of 10:00")
    assert -20 < int(page.locator("#level").get_attribute("aria-valuenow")) < 0
    page.get_by_role("button", name="Stop").click()
    opened.until("#status", "Recorded 0:01")
    assert opened.texts("#warning") == [""]
    duration = page.locator("#player").evaluate(
        "async (each) => { while (!(each.duration < 60 && each.currentTime === 0)) "
        "await new Promise((go) => setTimeout(go, 20)); return each.duration; }"
    )
    assert 0.8 < duration < 5
    page.locator("#language").fill(" sw ")
    page.get_by_role("button", name="Transcribe").click()
    page.locator(".card[data-state=done]").nth(1).wait_for()
    assert {each["model"][0] for each in stub.asked} == {"base", "sw"}
    for each in stub.asked:
        assert each["name"].startswith("recording-") and each["name"].endswith(".webm")
        assert each["data"][:4] == b"\x1a\x45\xdf\xa3" and len(each["data"]) > 2000  # EBML
        assert each["response_format"] == ["verbose_json"] and each["language"] == ["sw"]
        assert each["timestamp_granularities[]"] == ["word", "segment"]
    opened.text(0).locator(".word").nth(1).click()
    page.locator(".card .now").first.wait_for()
    assert page.locator("#player").evaluate("each => each.currentTime") >= 0.2
    opened.close_quietly()


def test_a_recording_ends_at_the_limit(browser: Any, stub: Stub) -> None:
    stub.limits["audio_s"] = 1
    opened = Opened(browser, stub, TONE % 3)
    opened.page.locator(".model").first.wait_for()
    opened.page.keyboard.press("r")
    opened.until("#status", "Recorded")
    opened.until("#warning", "Too loud")
    opened.close_quietly()


def test_silence_is_told(browser: Any, stub: Stub) -> None:
    opened = Opened(browser, stub, TONE % 0)
    opened.page.locator(".model").first.wait_for()
    opened.page.keyboard.press("r")
    opened.until("#warning", "No sound arrives")
    opened.page.keyboard.press("r")
    opened.until("#warning", "Very quiet")
    opened.close_quietly()


@pytest.mark.parametrize(
    ("script", "advice"),
    [
        (REFUSAL % "NotAllowedError", "permit it for this page"),
        (REFUSAL % "NotFoundError", "connect one"),
        (REFUSAL % "NotReadableError", "close the other program"),
        ("delete Navigator.prototype.mediaDevices;", "only for https and localhost"),
    ],
)
def test_without_a_microphone_it_says_what_to_do(
    script: str, advice: str, browser: Any, stub: Stub
) -> None:
    opened = Opened(browser, stub, script)
    opened.page.locator(".model").first.wait_for()
    opened.page.locator("#record").click()
    opened.until("#warning", advice)
    assert opened.page.locator("#record").inner_text().startswith("Record")
    opened.close_quietly()


def test_a_file_is_dropped_and_a_wrong_one_refused(
    browser: Any, stub: Stub, tmp_path: Path
) -> None:
    sound = tones(tmp_path / "short.wav", seconds=0.1)
    stub.limits["upload_bytes"] = sound.stat().st_size
    opened = Opened(browser, stub)
    page = opened.page
    page.locator(".model").first.wait_for()
    page.evaluate(DROP, ["notes.pdf", "application/pdf", [1]])
    opened.until("#warning", "notes.pdf is neither sound nor video")
    page.evaluate(DROP, ["long.wav", "audio/wav", [0] * (sound.stat().st_size + 1)])
    opened.until("#warning", "the server takes at most")
    assert page.locator("#transcribe").is_disabled()
    page.evaluate(DROP, ["greeting.wav", "audio/wav", list(sound.read_bytes())])
    assert opened.texts("#warning") == [""]
    page.keyboard.press("t")
    page.locator(".card[data-state=done]").nth(1).wait_for()
    assert [each["name"] for each in stub.asked] == ["greeting.wav"] * 2
    assert stub.asked[0]["data"] == sound.read_bytes()
    assert not page.locator("#drop-here").is_visible()
    opened.close_quietly()
