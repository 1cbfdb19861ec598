"""Test the files for ELAN, Praat and Audacity by reading them with our own readers.

MOTHERTONGUE_EAF_SCHEMA=EAFv3.0.xsd also validates with the schema itself, if xmlschema is there.
"""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from eaf_schema import eaf_faults

from mothertongue.data.annotations.eaf_writer import write_eaf
from mothertongue.data.annotations.segments import Annotations
from mothertongue.data.sources.audacity import read_labels
from mothertongue.data.sources.elan import read_eaf
from mothertongue.data.sources.textgrid import read_textgrid
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


BARE = replace(RECORDING, segments=tuple(replace(each, words=None) for each in RECORDING.segments))
WRITTEN = {
    "words": as_eaf(RECORDING, Path("/a story é.mp3")),
    "no words": as_eaf(BARE),
    "silence": as_eaf(Recording(None, 2.0, ()), Path("/a.wav")),
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_eaf_is_as_the_schema_demands(text: str) -> None:
    root = fromstring(text)
    assert eaf_faults(root) == []
    assert (root.get("FORMAT"), root.get("VERSION")) == ("3.0", "3.0")
    times = [int(each.get("TIME_VALUE", "")) for each in root.iter("TIME_SLOT")]
    assert times == sorted(times)
    if schema := os.environ.get("MOTHERTONGUE_EAF_SCHEMA"):
        pytest.importorskip("xmlschema").XMLSchema(schema).validate(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('TIME_VALUE="500"', 'TIME_VALUE="0.5"'),
        ('TIME_SLOT_REF1="ts1"', 'TIME_SLOT_REF1="ts99"'),
        ('TIME_SLOT_REF1="ts1"', ""),
        ('TIME_SLOT_ID="ts1"', 'TIME_SLOT_ID="ts2"'),
        ('ANNOTATION_ID="a1"', 'ANNOTATION_ID="1"'),
        ('PARENT_REF="words"', 'PARENT_REF="word"'),
        ('TIME_ALIGNABLE="true"', 'TIME_ALIGNABLE="yes"'),
        ("HEADER", "HEAD"),
        ("+00:00", " UTC"),
        ('MIME_TYPE="audio/mpeg"', ""),
        ("REF_ANNOTATION", "REFERENCE"),
    ],
)
def test_a_document_that_the_schema_refuses_is_found(old: str, new: str) -> None:
    text = WRITTEN["words"]
    assert old in text
    changed = text.replace(old, new)
    assert eaf_faults(fromstring(changed))
    if schema := os.environ.get("MOTHERTONGUE_EAF_SCHEMA"):
        assert not pytest.importorskip("xmlschema").XMLSchema(schema).is_valid(changed)


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
    assert [each.name for each in read_eaf(saved(tmp_path, "a.eaf", as_eaf(BARE))).tiers] == [
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
