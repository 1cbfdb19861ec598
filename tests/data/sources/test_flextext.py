from pathlib import Path

import pytest

from mothertongue.data.annotations.segments import Annotations, Media, Segment, Tier
from mothertongue.data.sources.flextext import read_flextext
from mothertongue.errors import Fault

WORDS = (
    '<words><word><item type="txt" lang="sw">Habari</item><item type="gls" lang="en">news</item>'
    '</word><word><item type="txt" lang="sw">gani</item></word>'
    '<word><item type="punct" lang="sw">?</item></word></words>'
)
MEDIA = '<media-files><media guid="m" location="file:\\test.wav"/><media guid="x"/></media-files>'


def phrase(inside: str, times: str = 'begin-time-offset="500" end-time-offset="2250"') -> str:
    return f'<phrase guid="p" speaker="Anna" media-file="m" {times}>{inside}</phrase>'


def item(text: str, language: str, type_: str = "txt") -> str:
    return f'<item type="{type_}" lang="{language}">{text}</item>'


def read(folder: Path, *phrases: str, media: str = MEDIA) -> Annotations:
    path = folder / "a.flextext"
    path.write_text(f"<document><phrases>{''.join(phrases)}</phrases>{media}</document>")
    return read_flextext(path)


def test_a_tier_for_each_writing_system_and_no_gloss(tmp_path: Path) -> None:
    texts = item("habari", "sw") + item("hɑbɑri", "sw-fonipa") + item("hello", "en", "gls")
    found = read(tmp_path, phrase(texts), phrase(item("bila", "sw"), times=""))
    assert found.tiers == (
        Tier("sw", "sw", (Segment("p", 0.5, 2.25, "habari", "Anna"),)),
        Tier("sw-fonipa", "sw-fonipa", (Segment("p", 0.5, 2.25, "hɑbɑri", "Anna"),)),
    )
    assert found.media == (Media(("file:\\test.wav",)),)
    assert found.ignored == {"phrases without times, left out": 1}


def test_words_are_joined_where_the_phrase_has_no_text_of_its_own(tmp_path: Path) -> None:
    (tier,) = read(tmp_path, phrase(WORDS)).tiers
    assert tier.segments[0].text == "Habari gani?"


def test_words_of_a_script_without_spaces_get_none(tmp_path: Path) -> None:
    words = "".join(f"<word>{item(each, 'th')}</word>" for each in ("ดู", "TV", "ที่", "บ้าน"))
    (tier,) = read(tmp_path, phrase(f"<words>{words}</words>")).tiers
    assert tier.segments[0].text == "ดู TV ที่บ้าน"


def test_a_time_that_is_none_is_left_open(tmp_path: Path) -> None:
    times = 'begin-time-offset="500" end-time-offset="soon"'
    (tier,) = read(tmp_path, phrase(item("habari", "sw"), times)).tiers
    assert (tier.segments[0].start_s, tier.segments[0].end_s) == (0.5, None)


def test_no_times_and_several_recordings_are_described(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="none of 1 phrases has a begin-time-offset; align it"):
        read(tmp_path, phrase(item("habari", "sw"), times=""))
    other = phrase(item("habari", "sw")).replace('"m"', '"x"')
    with pytest.raises(Fault, match="2 recordings; expected one a file; export each text"):
        read(tmp_path, phrase(item("habari", "sw")), other)


def test_marks_stand_before_or_after_a_word(tmp_path: Path) -> None:
    items = ("«", "¿", "habari", "»", ",", "(", "gani", ")")
    words = "".join(
        f"<word>{item(each, 'sw', 'txt' if each.isalpha() else 'punct')}</word>" for each in items
    )
    empty = item("", "sw")
    (tier,) = read(tmp_path, phrase(f"{empty}<words>{words}</words>")).tiers
    assert tier.segments[0].text == "«¿habari», (gani)"
