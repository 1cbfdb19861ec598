from pathlib import Path

import pytest

from mothertongue.data.annotations.segments import Segment
from mothertongue.data.sources.subtitles import read_subtitles
from mothertongue.errors import Fault

SRT = """1
00:00:01,000 --> 00:00:02,500
Habari za asubuhi,
karibuni.

2
01:00:03,250 --> 01:00:04,000 X1:10 X2:20
Asante.
"""
VTT = """WEBVTT - news
Kind: captions

STYLE
::cue { color: red }

NOTE a comment
about 00:00

intro
00:01.000 --> 00:02.500 align:start position:0%
Habari za asubuhi,
karibuni.

01:00:03.250 --> 01:00:04.000
Asante.
"""


def segments(folder: Path, text: str, name: str = "a.srt") -> tuple[Segment, ...]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    (tier,) = read_subtitles(path).tiers
    return tier.segments


def texts(folder: Path, text: str, name: str = "a.srt") -> list[str]:
    return [each.text for each in segments(folder, text, name)]


def test_both_formats_give_times_and_joined_lines(tmp_path: Path) -> None:
    said = [(1.0, 2.5, "Habari za asubuhi, karibuni."), (3603.25, 3604.0, "Asante.")]
    for text, name, places in ((SRT, "a.srt", ["2", "7"]), (VTT, "a.vtt", ["11", "15"])):
        found = segments(tmp_path, text, name)
        assert [(each.start_s, each.end_s, each.text) for each in found] == said
        assert [each.place for each in found] == places
        assert all(each.notes == () and each.speaker is None for each in found)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("<i>Habari</i> <b>za</b>", "Habari za"),
        ("<ruby>漢<rt>かん</rt>字<rt>じ</ruby>だ", "漢字だ"),
        ("<ruby><rb>漢</rb><rp>(</rp><rt><i>かん</i></rt><rp>)</rp></ruby>だ", "漢だ"),
        ('<font color="#ff0000">Habari</font>', "Habari"),
        (r"{\an8}Habari", "Habari"),
        ("{y:i}Habari", "Habari"),
        (r"Habari\Nza<br/>asubuhi", "Habari za asubuhi"),
        ("<i>สวัสดี</i>\n<i>ครับ</i>", "สวัสดีครับ"),
        (r"今日は\N良い", "今日は良い"),
    ],
)
def test_markup_is_removed_and_noted(tmp_path: Path, written: str, expected: str) -> None:
    (found,) = segments(tmp_path, f"1\n00:00:01,000 --> 00:00:02,000\n{written}\n")
    assert (found.text, found.notes) == (expected, ("TXT-MARKUP",))


@pytest.mark.parametrize("text", ["2 < 3 > 1", "<noise> habari", "[music]", "a & b &amp; c"])
def test_what_is_no_markup_stays(tmp_path: Path, text: str) -> None:
    (found,) = segments(tmp_path, f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n")
    assert (found.text, found.notes) == (text, ())


def test_voices_words_times_and_entities_of_webvtt(tmp_path: Path) -> None:
    cues = """WEBVTT

00:01.000 --> 00:02.000
<v.loud Anna Maria>Habari <00:01.500><c.yellow>&lt;za&gt;</c> asubuhi &amp; mchana

00:03.000 --> 00:04.000
<v Anna>Ndiyo</v>
<v Ben>Hapana</v>
"""
    one, two = segments(tmp_path, cues, "a.vtt")
    assert (one.text, one.speaker) == ("Habari <za> asubuhi & mchana", "Anna Maria")
    assert (two.text, two.speaker) == ("Ndiyo Hapana", None)


def test_missing_and_extra_blank_lines(tmp_path: Path) -> None:
    text = (
        "\n\n1\n00:00:01,000 --> 00:00:02,000\none\n2\n00:00:02,000 --> 00:00:03,000\ntwo\n"
        "\nmore of two\n \n\n00:00:04,000 --> 00:00:05,000\nthree\n\n4\n0:00:06.5 --> 0:00:7,25\n"
    )
    found = segments(tmp_path, text)
    assert [each.text for each in found] == ["one", "two more of two", "three", ""]
    assert (found[3].start_s, found[3].end_s) == (6.5, 7.25)


def test_a_cue_of_a_number_keeps_it(tmp_path: Path) -> None:
    cue = "1\n00:00:01,000 --> 00:00:02,000\n1984\n\n2\n00:00:02,000 --> 00:00:03,000\ntwo\n"
    assert texts(tmp_path, cue) == ["1984", "two"]


@pytest.mark.parametrize("end", ["\n\n", "\r\r\n"])
def test_numbers_between_blank_lines_are_no_text(tmp_path: Path, end: str) -> None:
    lines = ["1", "00:00:01,000 --> 00:00:02,000", "1984", "2", "00:00:02,000 --> 00:00:03,000"]
    (tmp_path / "a.srt").write_bytes(end.join([*lines, "two", "1985"]).encode())
    (tier,) = read_subtitles(tmp_path / "a.srt").tiers
    assert [each.text for each in tier.segments] == ["1984", "two 1985"]


def test_a_text_of_a_number_before_times_alone_stays(tmp_path: Path) -> None:
    cues = "00:00:01,000 --> 00:00:02,000\n1984\n\n00:00:02,000 --> 00:00:03,000\ntwo\n"
    assert texts(tmp_path, cues) == ["1984", "two"]


def test_text_without_times_is_counted_in_webvtt(tmp_path: Path) -> None:
    path = tmp_path / "a.vtt"
    path.write_text(VTT + "\nlost text\n\nNOTE fine\n")
    assert read_subtitles(path).ignored == {"blocks of text without times, left out": 1}


def test_times_that_cannot_be_read_are_left_open(tmp_path: Path) -> None:
    (found,) = segments(tmp_path, "1\n00:00:0l,000 --> 00:00:02,000\nhabari\n")
    assert (found.start_s, found.end_s, found.text) == (None, None, "habari")


@pytest.mark.parametrize("text", ["", "WEBVTT\n", "habari\n\nza asubuhi\n"])
def test_a_file_without_cues_is_described(tmp_path: Path, text: str) -> None:
    with pytest.raises(Fault, match=r"MAN-FORMAT: .*a.srt: no line such as 00:00:01,000 -->"):
        segments(tmp_path, text)


ROLLED = """WEBVTT
Kind: captions

00:00:00.080 --> 00:00:02.375 align:start position:0%
 
habari<00:00:00.320><c> za</c><00:00:00.640><c> asubuhi</c>

00:00:02.375 --> 00:00:02.500 align:start position:0%
habari za asubuhi
 

00:00:02.500 --> 00:00:05.000 align:start position:0%
habari za asubuhi
nzuri<00:00:03.000><c> sana</c>
"""


def test_rolling_captions_are_read_once(tmp_path: Path) -> None:
    found = segments(tmp_path, ROLLED, "a.vtt")
    assert [(each.start_s, each.end_s, each.text) for each in found] == [
        (0.08, 2.375, "habari za asubuhi"),
        (2.5, 5.0, "nzuri sana"),
    ]
    path = tmp_path / "a.vtt"
    assert read_subtitles(path).ignored == {}
    path.write_text(ROLLED.replace("<00:00:00.320>", "").replace("<00:00:00.640>", "") + "\n  \n")
    assert read_subtitles(path).ignored == {}


def test_people_who_repeat_a_line_are_not_taken_for_rolling_captions(tmp_path: Path) -> None:
    cues = "WEBVTT\n\n00:01.000 --> 00:02.000\nNdiyo.\n\n00:02.000 --> 00:03.000\nNdiyo.\n"
    assert texts(tmp_path, cues, "a.vtt") == ["Ndiyo.", "Ndiyo."]
