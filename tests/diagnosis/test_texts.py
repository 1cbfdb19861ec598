"""Test transcripts that are empty, foreign, too long or too short, among many normal ones."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hearing import OTHER, badly, examined, sentence, with_text

from mothertongue.diagnosis.findings import ExaminedClip, Recognition
from mothertongue.diagnosis.languages import language_findings, strangeness
from mothertongue.diagnosis.texts import length_findings, text_findings


def codes(clips: list[ExaminedClip]) -> dict[str, str]:
    return {each.id: each.code for each in [*text_findings(clips), *length_findings(clips)]}


def with_heard(clip: ExaminedClip, text: str, language: str | None) -> ExaminedClip:
    return replace(clip, heard=Recognition(text, language))


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert codes(examined(300)) == {}


def test_no_letter_and_another_script() -> None:
    clips = examined(40)
    for number, text in enumerate(("", "?!", "мой дядя самых честных", "bila ya мой мой мой")):
        clips[number] = with_text(clips[number], text)
    found = {each.id: each for each in text_findings(clips)}
    assert {name: each.code for name, each in found.items()} == {
        "c0": "EMPTY",
        "c1": "EMPTY",
        "c2": "WRONG-SCRIPT",
        "c3": "WRONG-SCRIPT",
    }
    assert found["c2"].message == "100% of the letters are Cyrillic; the corpus has Latin"


def test_a_language_of_several_scripts_is_at_home_in_each() -> None:
    texts = ["東京に行く", "カメラを買う", "すし", "テレビ"] * 10
    clips = [with_text(clip, text) for clip, text in zip(examined(40), texts, strict=True)]
    assert [*text_findings(clips)] == []


@pytest.mark.parametrize("errors", [0.0, 0.3])
def test_half_a_transcript_and_a_transcript_with_another_appended(errors: float) -> None:
    clips = examined(200, errors)
    for number in range(0, 40, 4):
        text = clips[number].text
        clips[number] = with_text(clips[number], text[: len(text) * 2 // 5])
        other = clips[number + 1].text
        clips[number + 1] = with_text(clips[number + 1], f"{other} {sentence(500 + number)}")
    found = codes(clips)
    assert Counter(found.values()) == {"TOO-LITTLE-TEXT": 10, "TOO-MUCH-TEXT": 10}
    assert {name for name, code in found.items() if code == "TOO-LITTLE-TEXT"} == {
        f"c{number}" for number in range(0, 40, 4)
    }


def test_a_fast_speaker_and_a_loop_are_no_fault_of_the_transcript() -> None:
    clips = examined(100)
    fast = replace(clips[0].utterance, duration_s=clips[0].utterance.duration_s / 2)
    clips[0] = replace(clips[0], utterance=fast)
    clips[1] = with_heard(clips[1], clips[1].text[:8], "sw")
    slow = replace(clips[2].utterance, duration_s=clips[2].utterance.duration_s * 2)
    clips[2] = ExaminedClip(slow, replace(clips[2].heard, text="wa " * 200, looped=True))
    assert codes(clips) == {}


def languages(clips: list[ExaminedClip], unlike: set[int] | None = None) -> dict[str, str]:
    unlike_N = [number in (unlike or set()) for number in range(len(clips))]
    return {each.id: each.message for each in language_findings(clips, unlike_N)}


def test_clips_of_another_language_are_found_by_ear_and_letters() -> None:
    clips = examined(200)
    for number in range(0, 200, 20):
        text = sentence(number, OTHER)
        clips[number] = with_heard(with_text(clips[number], text), badly(text, number), "en")
    found = languages(clips)
    assert set(found) == {f"c{number}" for number in range(0, 200, 20)}


def test_a_foreign_text_alone_and_a_foreign_clip_under_a_text_of_the_corpus() -> None:
    clips = examined(200)
    clips[3] = with_text(clips[3], sentence(3, OTHER))
    clips[7] = with_heard(clips[7], sentence(7, OTHER), "de")
    found = languages(clips, unlike={3, 7})
    assert found == {
        "c3": "the sequence of letters in the transcript is unlike the corpus's",
        "c7": "the model hears de, and the transcript is not what it hears",
    }


def test_a_model_that_takes_the_language_for_others_accuses_nobody() -> None:
    taken = ("sw", "ln", "id", "yo", "sn")
    clips = [
        with_heard(clip, clip.heard.text, taken[i % 5] if i else "cy")
        for i, clip in enumerate(examined(200))
    ]
    assert languages(clips) == {}
    # It hears Welsh in one clip, and another text: it does so in many.
    assert languages(clips, unlike={0, 5}) == {}


def test_short_texts_are_no_stranger_than_long_ones() -> None:
    texts = [sentence(i) for i in range(300)] + [sentence(i, num_words=1) for i in range(300, 400)]
    strange_N = np.abs(strangeness(texts))
    assert strange_N[300:].max() < 1.5 * strange_N[:300].max()


def test_a_prompt_that_most_speakers_read_makes_no_other_sentence_strange() -> None:
    texts = [sentence(0)] * 60 + [sentence(i) for i in range(1, 40)]
    assert strangeness(texts).max() < 3
    assert strangeness([*texts, sentence(0, OTHER)])[-1] > 5


def test_a_corpus_of_a_few_words_has_no_profile() -> None:
    words = [sentence(i, num_words=1) for i in range(10)] * 20
    assert not strangeness([*words, "computer"]).any()
