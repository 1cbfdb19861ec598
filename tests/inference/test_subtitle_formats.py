"""Subtitles whose every letter is known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mothertongue.decoding.transcript import Transcript
from mothertongue.decoding.word_timestamps import Word
from mothertongue.inference.records import RecordingRecord, recording_record
from mothertongue.inference.speech_detection import Piece
from mothertongue.inference.subtitle_formats import FORMATS
from mothertongue.inference.subtitles import Recording, Segment, segments_of
from mothertongue.system.json_files import read_json


def word(text: str, start_s: float, end_s: float, probability: float = 0.5) -> Word:
    return Word(text, start_s, end_s, probability, (1, 2))


def transcript(words: tuple[Word, ...] | None, text: str = "") -> Transcript:
    said = "".join(each.text for each in words).strip() if words else text
    return Transcript(said, "sw", (1, 2), -0.25, words=words, no_speech_probability=0.1)


def piece(start_s: float, seconds: float) -> Piece:
    return Piece(start_s, np.zeros(int(16_000 * seconds), np.float32))


TWO = Recording(
    "sw",
    3_725.5,
    (
        Segment(
            0.0,
            1.25,
            "Habari yako?",
            (1, 2),
            -0.5,
            0.1,
            (word(" Habari", 0, 0.6), word(" yako?", 0.6, 1.25)),
        ),
        Segment(3_599.9996, 3_725.5, "<b>Nzuri</b> & karibu --> sana", (3,), -0.5, None, None),
    ),
)


def test_srt() -> None:
    assert FORMATS["srt"](TWO) == (
        "1\n00:00:00,000 --> 00:00:01,250\nHabari yako?\n\n"
        "2\n01:00:00,000 --> 01:02:05,500\n<b>Nzuri</b> & karibu --> sana\n"
    )


def test_vtt_escapes_what_a_cue_takes_for_markup() -> None:
    assert FORMATS["vtt"](TWO) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nHabari yako?\n\n"
        "01:00:00.000 --> 01:02:05.500\n&lt;b&gt;Nzuri&lt;/b&gt; &amp; karibu --&gt; sana\n"
    )


def test_txt_and_json() -> None:
    assert FORMATS["txt"](TWO) == "Habari yako?\n<b>Nzuri</b> & karibu --> sana\n"
    found = json.loads(FORMATS["json"](TWO))
    assert (found["language"], found["duration_s"]) == ("sw", 3_725.5)
    assert found["text"] == "Habari yako? <b>Nzuri</b> & karibu --> sana"
    first, second = found["segments"]
    assert first["words"][1] == {"text": "yako?", "start_s": 0.6, "end_s": 1.25, "probability": 0.5}
    assert second["words"] is None and second["no_speech_probability"] is None


def test_nothing_said() -> None:
    nothing = Recording(None, 12.0, ())
    assert [FORMATS[each](nothing) for each in ("txt", "srt", "vtt")] == ["", "", "WEBVTT\n"]


def test_a_long_line_becomes_two() -> None:
    text = "moja mbili tatu nne tano sita saba nane tisa kumi na moja"
    said = Recording("sw", 5.0, (replace(TWO.segments[0], text=text),))
    lines = FORMATS["srt"](said).splitlines()[2:]
    assert " ".join(lines) == text
    assert len(lines) == 2 and all(len(line) <= 42 for line in lines)


def test_subtitles_stand_in_order_and_no_two_overlap() -> None:
    times = [(1.0, 1.0), (1.0, 1.01), (1.0, 2.0), (3.0, 3.5), (3.25, 4.0)]
    first = TWO.segments[0]
    segments = [replace(first, start_s=a, end_s=b, text="a") for a, b in times]
    said = Recording("sw", 5.0, (*segments, replace(first, text="")))
    spans = [line for line in FORMATS["srt"](said).splitlines() if "-->" in line]
    assert [span.replace("00:00:0", "") for span in spans] == [
        *("1,000 --> 1,020", "1,020 --> 1,040", "1,040 --> 2,000"),
        *("3,000 --> 3,500", "3,500 --> 4,000"),
    ]


def test_a_piece_without_word_times_is_one_segment() -> None:
    (found,) = segments_of(piece(10.0, 4.0), transcript(None, "Habari yako?"))
    assert (found.start_s, found.end_s, found.text) == (10.0, 14.0, "Habari yako?")
    assert found.words is None
    assert segments_of(piece(0.0, 1.0), transcript(None, "")) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # a sentence ends
        ([(" Habari.", 0, 1), (" Nzuri.", 1, 2)], ["Habari.", "Nzuri."]),
        # a long pause
        ([(" moja", 0, 1), (" mbili", 2.5, 3)], ["moja", "mbili"]),
        ([(" moja", 0, 1), (" mbili", 1.9, 3)], ["moja mbili"]),
        # seven seconds
        ([(" a", 0, 3), (" b", 3, 6), (" c", 6, 7.5)], ["a b", "c"]),
        # two lines are full
        (
            [(" " + "x" * 40, 0, 1), (" " + "y" * 42, 1, 2), (" z", 2, 3)],
            ["x" * 40 + " " + "y" * 42, "z"],
        ),
        (
            [(" " + letter * 26, i, i + 1) for i, letter in enumerate("abc")],
            [f"{'a' * 26} {'b' * 26}", "c" * 26],
        ),
        # scripts without spaces
        ([("水", i / 10, i / 10 + 0.1) for i in range(43)], ["水" * 42, "水"]),
        ([("你", 0, 0.2), ("好。", 0.2, 0.5), ("再", 0.5, 0.7)], ["你好。", "再"]),
    ],
)
def test_where_subtitles_break(words: list[tuple[str, float, float]], expected: list[str]) -> None:
    said = transcript(tuple(word(*each) for each in words))
    found = segments_of(piece(100.0, 30.0), said)
    assert [each.text for each in found] == expected
    assert found[0].start_s == 100.0 and found[-1].end_s == 100.0 + words[-1][2]
    assert sum(len(each.words or ()) for each in found) == len(words)
    assert found[0].average_log_probability == pytest.approx(np.log(0.5))


@pytest.mark.parametrize(
    ("language", "expected"),
    [("sw", "a b c d"), (None, "a b c d"), ("th", "ab cd"), ("yue", "ab cd")],
)
def test_segments_are_joined_as_their_language_is_written(
    language: str | None, expected: str
) -> None:
    """In Thai or Chinese a space stands only where the decoder wrote one."""
    said = [transcript((word("a", 0, 1), word("b", 3, 4), word(" c", 6, 7))), transcript(None, "d")]
    parts = [segments_of(piece(10.0 * i, 8.0), each) for i, each in enumerate(said)]
    segments = tuple(each for part in parts for each in part)
    assert [each.text for each in segments] == ["a", "b", "c", "d"]
    assert Recording(language, 20.0, segments).text == expected
    assert Recording(language, 20.0, segments, is_translated=True).text == "a b c d"


def test_json_says_where_text_is_missing() -> None:
    words = (word(" moja", 0, 1), word(" mbili", 3, 4))
    cut = replace(transcript(words), is_cut=True)
    found = recording_record(Recording("sw", 4.0, tuple(segments_of(piece(0.0, 4.0), cut)), 1))
    assert (found.cut, found.looped, found.decoded_again) == (1, 0, 1)
    assert [each.is_cut for each in found.segments] == [False, True]


def test_the_json_of_a_transcript_has_the_bytes_of_before() -> None:
    """A file that the last release without records wrote of the same recording."""
    before = Path(__file__).parents[1] / "golden/results/transcript.json"
    words = (Word(" habari", 0.12345, 0.5, 0.98765, (1, 2)), Word(" — “ya”", 0.6, 1.0, 0.5, (3,)))
    first = Segment(0.12345, 1.0, "habari — “ya”", (1, 2, 3), -0.123456, 0.01, words)
    second = Segment(2.0, 3.00049, "asubuhi", (4,), None, None, None, looped=True, is_cut=True)
    recording = Recording("sw", 4.00049, (first, second), decoded_again=1)
    assert FORMATS["json"](recording) == before.read_text("utf-8")
    assert read_json(before, RecordingRecord) == recording_record(recording)
