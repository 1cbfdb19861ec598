"""What the page makes of the models' answers: differences, files, faults, keys, and who can use it.

MOTHERTONGUE_SHOTS=FOLDER keeps the screenshots that these tests take, for people to look at.
"""

from pathlib import Path
from typing import Any

import pytest
from chromium import LOW_CONTRAST, needs_chromium, shot
from report_folders import HOSTILE
from studio_pages import BASE, TUNED, Opened
from studio_stub import HOLD, Stub, error, model, said

from mothertongue.evaluation.normalizers import normalizer
from mothertongue.inference.subtitle_formats import as_srt, as_txt, as_vtt
from mothertongue.inference.subtitles import Recording, Segment

pytestmark = needs_chromium
UNNAMED = """() => [
    ...document.querySelectorAll("button, input, textarea, canvas, audio, [role=group]")
].filter((each) => !(each.textContent.trim() || each.getAttribute("aria-label")
        || each.getAttribute("aria-labelledby") || each.labels?.length))
    .map((each) => each.outerHTML)"""
UNSPACED = (
    "ก็ไม่รู้ว่าน้ำจะท่วมบ้านเมื่อไหร่แต่เราต้องเตรียมตัวไว้ก่อนเสมอเพราะฝนตกหนักมาก "
    "今天我们在学校里学习使用WhisperModel来转写录音，然后（大家）一起讨论结果。ラーメン・カレーｱｲｳ한국어😀"
)
SMALL = """() => [...document.querySelectorAll("button, textarea, .model, input:not(.model input)")]
    .filter((each) => each.offsetParent).map((each) => [each.getBoundingClientRect(), each])
    .filter(([box]) => box.height < 44 || box.width < 44).map(([, each]) => each.outerHTML)"""


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
        *("t'anta t’anta t′anta tanta", "ʻokina ꞋOkina 'tis", "എന്\u200dറെ എന്റെ എൻ്റെ"),
        *("ג׳ירפה צה״ל", "հրապարակ՚ն Ի՞նչ", "col·lecció"),
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
    times += [(3601.062, 3603.0, UNSPACED), (3604.0, 3605.0, "x" * 50), (3606.0, 3607.0, "")]
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
    shot(page, f"studio-{name}-recording", full_page=True)
    assert page.evaluate(LOW_CONTRAST, "body *") == [] and page.evaluate(SMALL) == []
    page.keyboard.press("r")
    opened.until("#status", "Recorded")
    opened.transcribe(sound)
    opened.text(1).locator(".word").nth(2).click()
    page.locator("#player").evaluate("each => each.pause()")
    page.locator(".text .now").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for each in ("light", "dark"):
        page.emulate_media(color_scheme=each)
        assert page.evaluate(LOW_CONTRAST, "body *") == [] and page.evaluate(SMALL) == []
    assert page.evaluate(UNNAMED) == []
    page.emulate_media(color_scheme=scheme)
    shot(page, f"studio-{name}", full_page=True)
    opened.close_quietly(refused=1)
