"""The page of `mothertongue serve` in a real Chromium, whose microphone plays a file.

MOTHERTONGUE_SHOTS=FOLDER keeps the screenshots that these tests take, for people to look at.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from report_folders import HOSTILE
from studio_stub import HOLD, Stub, error, model, said, stub_server

from mothertongue.text import normalizer
from mothertongue.transcription.formats import as_srt, as_txt, as_vtt
from mothertongue.transcription.recording import Recording, Segment

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--mute-audio"),
    "--autoplay-policy=no-user-gesture-required",
)
MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
RATE_HZ = 48_000
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium"),
]
BASE, TUNED = "Habari ya asubui, rafiki", "Habari za asubuhi rafiki yangu"
UNNAMED = """() => [
    ...document.querySelectorAll("button, input, textarea, canvas, audio, [role=group]")
].filter((each) => !(each.textContent.trim() || each.getAttribute("aria-label")
        || each.getAttribute("aria-labelledby") || each.labels?.length))
    .map((each) => each.outerHTML)"""
LOW_CONTRAST = """() => {
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
    return [...document.querySelectorAll("body *")]
        .filter((each) => each.offsetParent && each.innerText?.trim())
        .map((each) => {
            const [a, b] = [luminance(getComputedStyle(each).color), luminance(behind(each))];
            return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), each.innerText];
        }).filter(([ratio]) => ratio < 4.5);
}"""
SMALL = """() => [...document.querySelectorAll("button, textarea, .model, input:not(.model input)")]
    .filter((each) => each.offsetParent).map((each) => [each.getBoundingClientRect(), each])
    .filter(([box]) => box.height < 44 || box.width < 44).map(([, each]) => each.outerHTML)"""
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


def tones(path: Path, seconds: float = 3.0) -> Path:
    at_s = np.arange(int(RATE_HZ * seconds)) / RATE_HZ
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 440 * at_s * (1 + at_s // 1)), RATE_HZ)
    return path


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tones(tmp_path_factory.mktemp("studio") / "greeting one.wav")


@pytest.fixture(scope="module")
def browser(sound: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    heard = f"--use-file-for-fake-audio-capture={sound}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*QUIET, *MICROPHONE, heard]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Stub]:
    with stub_server() as stub:
        yield stub


@pytest.fixture
def stub(running: Stub) -> Stub:
    running.reset()
    running.answers |= {"base": [said(BASE, unsure="asubui,")], "sw": [said(TUNED)]}
    return running


class Opened:
    """The page, and all that it did which it should not: messages, dialogs, requests outside."""

    def __init__(self, browser: Any, stub: Stub, script: str = "", **settings: Any) -> None:
        self.url = stub.url
        self.context = browser.new_context(**settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        if script:
            self.page.add_init_script(script)
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", lambda dialog: self.messages.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
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

    def texts(self, selector: str) -> list[str]:
        return [text.strip() for text in self.page.locator(selector).all_inner_texts()]

    def close_quietly(self, refused: int = 0) -> None:
        """Nothing in the console but the browser's own word on each refused request."""
        own = [each for each in self.messages if not each.startswith("Failed to load resource")]
        outside = [url for url in self.requests if not url.startswith((self.url, "blob:", "data:"))]
        assert (own, outside, len(self.messages)) == ([], [], refused)
        self.context.close()


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


def test_differences_are_marked_and_told(browser: Any, stub: Stub, sound: Path) -> None:
    opened = Opened(browser, stub)
    opened.transcribe(sound)
    assert opened.texts(".score") == ["the others are compared with this", "3 words differ"]
    assert opened.text(0).locator(".sub, .ins, del").count() == 0
    assert opened.text(0).inner_text() == BASE
    assert opened.text(1).inner_text() == TUNED
    assert opened.text(1).locator(".sub").all_inner_texts() == ["za", "asubuhi"]
    assert opened.text(1).locator(".ins").all_inner_texts() == ["yangu"]
    assert opened.texts(".text .unsure") == ["asubui"]
    opened.text(0).locator(".unsure").hover()
    assert opened.texts(".about")[0] == "asubui · 31 % sure · at 0:00.4"
    opened.text(1).locator(".sub").first.hover()
    assert opened.texts(".about")[1] == "za · base: ya · 93 % sure · at 0:00.2"
    styles = {
        opened.page.locator(f"#legend {each}").evaluate(
            "each => { const style = getComputedStyle(each);"
            " return style.backgroundColor + style.textDecorationLine"
            " + style.textDecorationStyle; }"
        )
        for each in (".sub", ".ins", "del", ".unsure")
    }
    assert len(styles) == 4
    opened.close_quietly()


def test_errors_are_counted_against_what_was_said(browser: Any, stub: Stub, sound: Path) -> None:
    opened = Opened(browser, stub)
    opened.transcribe(sound)
    opened.page.get_by_label("What was said optional").fill(
        "habari ZA asubuhi, rafiki yangu mpendwa"
    )
    opened.until(".score", "4 of 6 words wrong")
    assert opened.texts(".score") == ["4 of 6 words wrong", "1 of 6 words wrong"]
    assert opened.text(1).inner_text() == f"{TUNED} mpendwa"
    assert opened.text(1).locator("del").inner_text() == "mpendwa"
    opened.page.get_by_label("What was said optional").fill("")
    opened.until(".score", "3 words differ")
    opened.close_quietly()


def test_it_counts_words_as_the_strict_normalizer(browser: Any, stub: Stub) -> None:
    texts = [
        *("Ng'ombe, NG’OMBE!  mother-tongue ''x'' a'b'", "ọ̀rọ̀ ọrọ ó'pé", "Straße STRASSE ΣΟΦΟΣ"),
        *("می\u200cروم کـتاب", "अंतर्राष्ट्रीय है।", "İstanbul ısı", "അവന്\u200d അവൻ", "❤️ 3,5 %"),
        *("ۏ ۽ ۾", "ma˥ ꞉x", "e\u0301 é", "", "…", "100€/kg", "ﷺ x_y"),
    ]
    opened = Opened(browser, stub)
    found = opened.page.evaluate("all => all.map((x) => wordsOf(x).map(({key}) => key))", texts)
    assert found == [normalizer("strict")(text).split() for text in texts]
    thai = opened.page.evaluate("wordsOf('สวัสดีครับ ผมชื่อสมชาย').map(({text}) => text)")
    assert "".join(thai) == "สวัสดีครับผมชื่อสมชาย" and len(thai) > 3
    opened.close_quietly()


def test_files_are_those_of_the_command_line(browser: Any, stub: Stub, sound: Path) -> None:
    long = "Tom & Jerry <3 " * 4 + "neno moja na mengine mengi"
    times = [(0.0, 1.5, "Habari za asubuhi"), (3601.062, 3601.062, long)]
    answer = said(TUNED) | {"segments": [{"start": a, "end": b, "text": c} for a, b, c in times]}
    stub.answers["sw"] = [answer]
    stub.models[1]["id"] = "runs/sw"
    stub.answers["runs/sw"] = [answer]
    opened = Opened(browser, stub)
    opened.transcribe(sound)
    recording = Recording("sw", 4000, tuple(Segment(*each, (), None, None, None) for each in times))
    for kind, write in (("srt", as_srt), ("vtt", as_vtt), ("txt", as_txt)):
        with opened.page.expect_download() as got:
            opened.page.get_by_label(f"Download {kind} of runs/sw").click()
        assert got.value.suggested_filename == f"greeting-one.runs-sw.{kind}"
        assert Path(got.value.path()).read_bytes().decode() == write(recording)
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.page.get_by_label("Copy the text of runs/sw").click()
    opened.until("#status", "Copied")
    assert opened.page.evaluate("navigator.clipboard.readText()") == TUNED
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


def test_an_error_is_shown_and_retried_when_the_server_says(
    browser: Any, stub: Stub, sound: Path
) -> None:
    late = error(429, "64 requests are worked on already", **{"Retry-After": "1"})
    stub.answers["sw"] = [late, error(400, "no words", "timestamp_granularities[]"), said(TUNED)]
    opened = Opened(browser, stub)
    opened.transcribe(sound, cards=1)
    opened.until("[data-state=failed] .facts", "64 requests are worked on already")
    retry = opened.page.get_by_label("Retry sw")
    assert retry.is_disabled() and retry.inner_text() == "Retry in 1 s"
    retry.click()  # as soon as it can be
    opened.until(".card[data-state=done] h3", "sw")
    fields = [each["timestamp_granularities[]"] for each in stub.asked if each["model"] == ["sw"]]
    assert fields == [["word", "segment"], ["word", "segment"], ["segment"]]
    opened.close_quietly(refused=2)


def test_a_model_without_word_times_plays_its_segments(
    browser: Any, stub: Stub, sound: Path
) -> None:
    plain = said(TUNED)
    del plain["words"]
    plain["segments"] = [
        {"start": 0.0, "end": 1.0, "text": " Habari za asubuhi"},
        {"start": 1.0, "end": 2.0, "text": " rafiki yangu"},
    ]
    stub.answers["sw"] = [plain]
    opened = Opened(browser, stub)
    opened.transcribe(sound)
    opened.text(1).locator(".word", has_text="yangu").click()
    opened.page.locator(".now", has_text="rafiki").last.wait_for()
    assert opened.text(1).locator(".now").all_inner_texts() == ["rafiki", "yangu"]
    opened.close_quietly()


def test_a_key_is_asked_for_and_used(browser: Any, stub: Stub, sound: Path) -> None:
    stub.key = "another"
    opened = Opened(browser, stub)
    page = opened.page
    opened.until("#key-form", "asks for a key")
    stub.key = "the right one"
    for key, note in (("ключ", "No key has such signs"), ("wrong", "refused")):
        page.locator("#key").fill(key)
        page.keyboard.press("Enter")
        opened.until("#key-note", note)
    page.locator("#key").fill("the right one")
    page.keyboard.press("Enter")
    opened.transcribe(sound)
    stub.key = "changed"
    page.locator("#transcribe").click()
    opened.until("#key-note", "refused")
    page.locator("#key").fill("changed")
    page.keyboard.press("Enter")
    page.locator(".card[data-state=done]").nth(1).wait_for()
    assert not page.locator("#key-form").is_visible()
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
        0,
        0,
        "",
    ]
    opened.close_quietly(refused=4)


def test_waiting_ends_by_cancel(browser: Any, stub: Stub, sound: Path) -> None:
    stub.answers |= {"base": [HOLD, said(BASE)], "sw": [HOLD]}
    opened = Opened(browser, stub)
    page = opened.page
    opened.choose(sound)
    page.keyboard.press("t")
    opened.until(".facts", "Waiting, 1 s")
    page.get_by_label("Cancel base").click()
    opened.until("[data-state=cancelled] h3", "base")
    page.get_by_label("Retry base").click()
    opened.until("[data-state=done] h3", "base")
    page.get_by_role("button", name="Cancel all").click()
    opened.until("[data-state=cancelled] h3", "sw")
    assert page.locator("#transcribe").is_enabled()
    for _ in range(100):
        if stub.left == 2:
            break
        page.wait_for_timeout(20)
    assert stub.left == 2
    opened.close_quietly()


def test_the_keyboard_does_it_all(browser: Any, stub: Stub) -> None:
    opened = Opened(browser, stub)
    page = opened.page
    page.locator(".model").first.wait_for()
    focused = "document.activeElement.id || document.activeElement.value"
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "record"
    page.keyboard.press("Enter")
    opened.until("#clock", "0:01")
    page.keyboard.press("R")
    opened.until("#status", "Recorded")
    page.locator("#said").focus()
    page.keyboard.type("rt habari")
    assert stub.asked == [] and not page.locator("#recording").is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == "base"
    page.keyboard.press("Space")
    page.keyboard.press("t")
    opened.until("[data-state=done] h3", "sw")
    assert opened.texts(".card h3") == ["sw"]
    opened.text(0).locator(".word").first.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.textContent") == "rafiki"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    opened.page.locator(".now").first.wait_for()
    assert page.locator("#player").evaluate("each => each.currentTime") >= 0.6
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "srt"
    opened.close_quietly()


def test_hostile_text_makes_no_element(browser: Any, stub: Stub, sound: Path) -> None:
    stub.models = [model(text, "run", text, text) for text in HOSTILE]
    for text in HOSTILE:
        stub.answers[text] = [said(f"{text} {i}") for i in range(2)]
    stub.answers[HOSTILE[1]] = [error(400, HOSTILE[1])]
    opened = Opened(browser, stub)
    opened.choose(sound)
    elements = "document.querySelectorAll('main :is(script, img, svg, iframe, b b)').length"
    assert opened.page.locator(".model").count() == len(HOSTILE)
    assert opened.page.locator(".model :checked").count() == 4
    opened.page.locator("#said").fill(HOSTILE[0])
    opened.page.locator("#transcribe").click()
    opened.page.locator(".card[data-state=done]").nth(2).wait_for()
    opened.until("[data-state=failed] .facts", HOSTILE[1])
    opened.text(0).locator(".word").first.hover()
    assert opened.page.evaluate(elements) == 0
    assert opened.page.evaluate("document.scripts.length") == 1
    opened.close_quietly(refused=1)


@pytest.mark.parametrize(
    ("name", "width", "height", "scheme"),
    [("desktop", 1280, 900, "light"), ("phone", 360, 780, "dark")],
)
def test_it_fits_the_screen_and_can_be_read(
    name: str, width: int, height: int, scheme: str, browser: Any, stub: Stub, sound: Path
) -> None:
    stub.models.append(model("sw-full-" + "x" * 60, "export", "sw", "full"))
    stub.answers[stub.models[-1]["id"]] = [error(503, "the server is about to stop")]
    size = {"width": width, "height": height}
    opened = Opened(browser, stub, viewport=size, color_scheme=scheme, has_touch=name == "phone")
    page = opened.page
    page.locator(".model").first.wait_for()
    page.keyboard.press("r")
    opened.until("#clock", "0:01")
    shot(page, f"studio-{name}-recording")
    assert page.evaluate(LOW_CONTRAST) == [] and page.evaluate(SMALL) == []
    page.keyboard.press("r")
    opened.until("#status", "Recorded")
    opened.transcribe(sound)
    opened.text(1).locator(".word").nth(2).click()
    page.locator("#player").evaluate("each => each.pause()")
    page.locator(".text .now").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for each in ("light", "dark"):
        page.emulate_media(color_scheme=each)
        assert page.evaluate(LOW_CONTRAST) == [] and page.evaluate(SMALL) == []
    assert page.evaluate(UNNAMED) == []
    page.emulate_media(color_scheme=scheme)
    shot(page, f"studio-{name}")
    opened.close_quietly(refused=1)


def shot(page: Any, name: str) -> None:
    if folder := os.environ.get("MOTHERTONGUE_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
