"""Test the files for ELAN, Praat and Audacity by reading them with our own readers."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from mothertongue.data.annotations.eaf import read_eaf
from mothertongue.data.annotations.eaf_writer import write_eaf
from mothertongue.data.annotations.labels import read_labels
from mothertongue.data.annotations.segments import Annotations
from mothertongue.data.annotations.textgrid import read_textgrid
from mothertongue.decoding.word_timestamps import Word
from mothertongue.inference.annotation_formats import as_audacity, as_eaf, as_textgrid
from mothertongue.inference.subtitle_formats import FORMATS, written
from mothertongue.inference.subtitles import Recording, Segment


def segment(start_s: float, end_s: float, text: str, words: tuple[Word, ...] | None) -> Segment:
    return Segment(start_s, end_s, text, (1,), -0.5, 0.1, words)


def word(text: str, start_s: float, end_s: float, probability: float) -> Word:
    return Word(text, start_s, end_s, probability, (1,))


RECORDING = Recording(
    "sw",
    10.0,
    (
        segment(
            0.5,
            2.0,
            'Habari "yako" & <wewe>?',
            (
                word(" Habari", 0.5, 1.1, 0.9),
                word(' "yako" &', 1.1, 1.1, 0.256),  # a word without length
                word(" <wewe>?", 1.0996, 2.0, 1.0),  # a word that begins before it
            ),
        ),
        segment(2.5, 3.0, "", None),
        segment(1.5, 4.0, "Nzuri.", (word(" Nzuri.", 3.0, 4.0, 0.5),)),
    ),
)
SPANS = [(0.5, 2.0, 'Habari "yako" & <wewe>?'), (2.0, 4.0, "Nzuri.")]
WORDS = [
    (0.5, 1.1, "Habari"),
    (1.1, 1.101, '"yako" &'),
    (1.101, 2.0, "<wewe>?"),
    (3.0, 4.0, "Nzuri."),
]


def spans(found: Annotations, number: int) -> list[tuple]:
    return [(each.start_s, each.end_s, each.text) for each in found.tiers[number].segments]


def saved(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_eaf_has_segments_words_and_probabilities_below_each_other(tmp_path: Path) -> None:
    text = as_eaf(RECORDING, tmp_path / "a story.wav")
    found = read_eaf(saved(tmp_path, "a.eaf", text))
    assert spans(found, 0) == SPANS
    assert spans(found, 1) == WORDS
    assert [each.text for each in found.tiers[2].segments] == ["0.90", "0.26", "1.00", "0.50"]
    assert [each[:2] for each in spans(found, 2)] == [each[:2] for each in WORDS]
    assert [(each.kind, each.parent, each.is_aligned) for each in found.tiers] == [
        ("transcription", None, True),
        ("words", "transcription", True),
        ("probability", "words", False),
    ]
    assert found.media[0].paths == (f"file://{tmp_path}/a%20story.wav",)


def test_eaf_holds_to_the_schema_of_elan() -> None:
    root = fromstring(as_eaf(RECORDING, Path("/a.mp3")))
    order = [each.tag for each in root]
    assert list(dict.fromkeys(order)) == [
        *("HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT"),
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", root.attrib.pop("DATE"))
    assert {key: root.get(key) for key in ("AUTHOR", "FORMAT", "VERSION")} == {
        "AUTHOR": "",
        "FORMAT": "3.0",
        "VERSION": "3.0",
    }
    (media,) = root.iter("MEDIA_DESCRIPTOR")
    assert media.attrib == {"MEDIA_URL": "file:///a.mp3", "MIME_TYPE": "audio/mpeg"}
    times = [int(each.get("TIME_VALUE", "")) for each in root.iter("TIME_SLOT")]
    assert times == sorted(times)
    slots = {each.get("TIME_SLOT_ID") for each in root.iter("TIME_SLOT")}
    used = [
        each.get(f"TIME_SLOT_REF{edge}")
        for each in root.iter("ALIGNABLE_ANNOTATION")
        for edge in (1, 2)
    ]
    assert sorted(used) == sorted(slots)
    names = [each.get("ANNOTATION_ID") for each in root.iter() if each.get("ANNOTATION_ID")]
    assert len(names) == len(set(names)) == 10
    types = {each.get("LINGUISTIC_TYPE_ID"): each.attrib for each in root.iter("LINGUISTIC_TYPE")}
    assert {each.get("LINGUISTIC_TYPE_REF") for each in root.iter("TIER")} == set(types)
    known = {each.get("STEREOTYPE") for each in root.iter("CONSTRAINT")}
    assert {each.get("CONSTRAINTS") for each in types.values()} == {None, *known}


def test_what_xml_cannot_hold_is_left_out(tmp_path: Path) -> None:
    odd = Recording("sw", 2.0, (segment(0.0, 1.0, "ha\x0bba\x00ri\uffff", None),))
    assert spans(read_eaf(saved(tmp_path, "a.eaf", as_eaf(odd))), 0) == [(0.0, 1.0, "habari")]


def test_what_is_read_and_written_again_is_the_same(tmp_path: Path) -> None:
    date = datetime(2024, 5, 1, tzinfo=UTC)
    first = read_eaf(saved(tmp_path, "a.eaf", as_eaf(RECORDING)))
    again = write_eaf(first.tiers, date)
    second = read_eaf(saved(tmp_path, "b.eaf", again))
    assert second == first
    assert write_eaf(second.tiers, date) == again


def test_textgrid_has_intervals_without_gaps(tmp_path: Path) -> None:
    text = as_textgrid(RECORDING)
    found = read_textgrid(saved(tmp_path, "a.TextGrid", text))
    transcript = [(0.0, 0.5, ""), *SPANS, (4.0, 10.0, "")]
    assert spans(found, 0) == transcript
    assert [each for each in spans(found, 1) if each[2]] == WORDS
    assert [each.name for each in found.tiers] == ["transcription", "words", "probability"]
    for number in range(3):
        parts = spans(found, number)
        assert [each[1] for each in parts[:-1]] == [each[0] for each in parts[1:]]
        assert (parts[0][0], parts[-1][1]) == (0.0, 10.0)


def test_audacity_has_a_label_for_each_segment(tmp_path: Path) -> None:
    text = as_audacity(RECORDING)
    assert text.startswith('0.500000\t2.000000\tHabari "yako" & <wewe>?\n')
    assert spans(read_labels(saved(tmp_path, "a.txt", text)), 0) == SPANS


def test_without_word_times_there_are_segments_only(tmp_path: Path) -> None:
    bare = replace(
        RECORDING, segments=tuple(replace(each, words=None) for each in RECORDING.segments)
    )
    assert [each.name for each in read_eaf(saved(tmp_path, "a.eaf", as_eaf(bare))).tiers] == [
        "transcription"
    ]


@pytest.mark.parametrize("format_", ["eaf", "textgrid", "audacity"])
def test_silence_is_an_empty_file_of_its_format(tmp_path: Path, format_: str) -> None:
    text = FORMATS[format_](Recording(None, 2.0, ()))
    readers = {"eaf": read_eaf, "textgrid": read_textgrid, "audacity": read_labels}
    found = readers[format_](saved(tmp_path, "a", text))
    assert not [each for tier in found.tiers for each in tier.segments if each.text]


def test_the_recording_is_named_where_the_format_has_a_place(tmp_path: Path) -> None:
    assert f"file://{tmp_path}/a.wav" in written("eaf", RECORDING, tmp_path / "a.wav")
    assert written("textgrid", RECORDING, tmp_path / "a.wav") == as_textgrid(RECORDING)
