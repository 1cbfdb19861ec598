"""Test how texts are divided and compared."""

import pytest

from mothertongue.decoding.word_timestamps import Word
from mothertongue.inference.alignment.units import (
    comparable,
    heard_words,
    in_one_script,
    text_of,
    units_of,
)

TEXTS = [
    (
        "sw",
        "Je! Huyo Akani - mwana wa Zera?",
        ["Je!", "Huyo", "Akani", "-", "mwana", "wa", "Zera?"],
    ),
    ("am", "ጴጥሮስ ፣ ኢየሱስ ።", ["ጴጥሮስ", "፣", "ኢየሱስ", "።"]),
    ("th", "สวัสดี ครับ", ["ส", "วั", "ส", "ดี", "ค", "รั", "บ"]),
]


@pytest.mark.parametrize(("language", "text", "parts"), TEXTS)
def test_units(language: str, text: str, parts: list[str]) -> None:
    units = units_of(text, language)
    assert [text_of(text, [unit]) for unit in units] == parts
    assert text_of(text, units) == text
    assert "".join(unit.characters for unit in units) == comparable(text)


def test_punctuation_has_no_characters_and_stops() -> None:
    units = units_of("Akani - mwana, wa", "sw")
    assert [unit.characters for unit in units] == ["akani", "", "mwana", "wa"]
    assert [unit.is_stop for unit in units] == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ọpọlọpọ, Yorùbá!", "opolopoyoruba"),
        ("ng'ombe", "ngʼombe"),
        ("क्षेत्र में", "क्षेत्रमें"),
        ("ጴጥሮስ ፣", "ጴጥሮስ"),
        ("مُحَمَّدٌ", "محمد"),
        ("שָׁלוֹם", "שלום"),
        ("... ", ""),
    ],
)
def test_comparable(text: str, expected: str) -> None:
    """Accents and the points of Arabic and Hebrew do not count; vowel signs do."""
    assert comparable(text) == expected


def test_words_without_letters_are_not_heard() -> None:
    words = [Word(" Habari,", 0.0, 0.5, 0.9, (1,)), Word(" -", 0.5, 0.6, 0.9, (2,))]
    assert [each.characters for each in heard_words(words)] == ["habari"]


def test_two_scripts_become_one() -> None:
    units = units_of("ጠቅላይ ሚኒስትር ።", "am")
    heard = heard_words([Word(" Takai ministar", 0.0, 1.0, 0.5, (1,))])
    latin, words = in_one_script(units, heard)
    assert [each.characters for each in latin] == ["thaklai", "ministr", ""]
    assert [(each.start, each.end) for each in latin] == [(each.start, each.end) for each in units]
    assert words[0].characters == "takaiministar"
    own = heard_words([Word(" ጠቅላይ", 0.0, 1.0, 0.5, (1,))])
    assert in_one_script(units, own) == (units, own)
    assert in_one_script(units, []) == (units, [])
