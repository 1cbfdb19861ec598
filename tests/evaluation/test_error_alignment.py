"""Alignments: as many errors as the score counts, and texts that can be put together again."""

import kaldialign
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mothertongue.evaluation.error_alignment import Piece, align, graphemes, tokens, unit_of
from mothertongue.evaluation.metrics import count_errors

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=9)


def test_each_kind_of_error_by_hand() -> None:
    said, heard = ["we", "saw", "the", "red", "house"], ["we", "saw", "a", "red", "old", "house"]
    assert align(said, heard) == [
        Piece("=", "we", "we"),
        Piece("=", "saw", "saw"),
        Piece("~", "the", "a"),
        Piece("=", "red", "red"),
        Piece("+", "", "old"),
        Piece("=", "house", "house"),
    ]
    assert align(["a"], []) == [Piece("-", "a", "")]
    assert align([], ["a"]) == [Piece("+", "", "a")]
    assert align([], []) == []


@given(WORDS, WORDS)
def test_an_alignment_has_both_texts_and_the_errors_of_the_score(
    said: list[str], heard: list[str]
) -> None:
    pieces = align(said, heard)
    assert [each.reference for each in pieces if each.kind != "+"] == said
    assert [each.hypothesis for each in pieces if each.kind != "-"] == heard
    errors = sum(each.kind != "=" for each in pieces)
    assert errors == count_errors(said, heard).errors
    assert errors == kaldialign.edit_distance(said, heard)["total"]
    assert all((each.reference == each.hypothesis) == (each.kind == "=") for each in pieces)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("मराठी", ["म", "रा", "ठी"]),  # a vowel sign belongs to its consonant
        ("ọ̀rọ̀", ["ọ̀", "r", "ọ̀"]),  # Yoruba: a dot and a tone on one letter
        ("ሰላም", ["ሰ", "ላ", "ም"]),
        ("മലയാളം", ["മ", "ല", "യാ", "ളം"]),
    ],
)
def test_characters_are_what_people_see(text: str, seen: list[str]) -> None:
    assert graphemes(text) == seen


def test_languages_without_spaces_are_aligned_in_characters() -> None:
    assert (unit_of("th"), unit_of("sw")) == ("character", "word")
    assert tokens("สวัสดี ครับ", "character") == ["ส", "วั", "ส", "ดี", "ค", "รั", "บ"]
    assert tokens("habari ya", "word") == ["habari", "ya"]
