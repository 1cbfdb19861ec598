"""Test the transcripts of IARPA's Babel."""

from pathlib import Path

import pytest

from mothertongue.data.annotations.segments import Segment
from mothertongue.data.sources.babel import TAGS_NOTE, UNHEARD_NOTE, BabelSource, read_babel
from mothertongue.data.sources.base import Row
from mothertongue.data.sources.detect import detect
from mothertongue.data.sources.paired import PairedSource
from mothertongue.errors import Fault

NAME = "BABEL_OP1_206_10901_20140516_225211_inLine"
LINES = """[0.0]
<no-speech>
[3.485]
sawubona <hes> *mama* ~
[5.1]
(()) yebo
[6.25]
ngiya- ngiyabonga
[7]
<foreign> hamba
[600.0]
"""


def write(folder: Path, text: str, name: str = NAME) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_stretches_are_cut_at_the_times_and_tags_are_counted(tmp_path: Path) -> None:
    found = read_babel(write(tmp_path, LINES.replace("\n", "\r\n")))
    assert found.tiers[0].segments == (
        Segment("1", 0.0, 3.485, "", "10901", ("TXT-UNTAGGED",)),
        Segment("3", 3.485, 5.1, "sawubona mama", "10901", ("TXT-UNTAGGED",)),
        Segment("7", 6.25, 7.0, "ngiya- ngiyabonga", "10901"),
    )
    assert found.ignored == {TAGS_NOTE: 2, UNHEARD_NOTE: 2}


def test_text_without_a_time_is_named_and_text_at_the_end_has_no_end(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"_inLine\.txt:1: 'yebo'; expected a time"):
        read_babel(write(tmp_path, f"yebo\n{LINES}"))
    (found,) = read_babel(write(tmp_path, "[0.5]\nyebo\n", "a")).tiers[0].segments
    assert found == Segment("1", 0.5, None, "yebo")


def test_sounds_are_in_another_folder_and_roman_transcripts_are_passed_over(tmp_path: Path) -> None:
    part = tmp_path / "conversational/training"
    write(part / "transcription", LINES)
    write(part / "transcript_roman", LINES)
    (part / "audio").mkdir()
    (part / f"audio/{NAME}.wav").touch()
    (tmp_path / "conversational/reference_materials").mkdir()
    (tmp_path / "conversational/reference_materials/demographics.tsv").write_text("sessID\tage\n")
    source = detect(tmp_path)
    assert isinstance(source, BabelSource)
    rows = [row for row in source.rows() if isinstance(row, Row)]
    sound = f"conversational/training/audio/{NAME}.wav"
    assert [(row.audio, row.text, row.speaker, row.start_s, row.duration_s) for row in rows] == [
        (sound, "sawubona mama", "10901", 3.485, 1.615),
        (sound, "ngiya- ngiyabonga", "10901", 6.25, 0.75),
    ]
    assert f"{TAGS_NOTE}: 2" in source.remarks
    assert f"{UNHEARD_NOTE}: 2" in source.remarks


def test_a_text_that_has_a_tag_first_is_no_transcript_of_babel(tmp_path: Path) -> None:
    write(tmp_path, "[noise] habari\n[0.5] asante\n")
    (tmp_path / f"{NAME}.wav").touch()
    assert isinstance(detect(tmp_path), PairedSource)
