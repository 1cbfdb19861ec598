"""Test the filters of pseudo-labels: the pieces that are kept, and the reasons for the others."""

from dataclasses import replace

import pytest

from mothertongue.inference.labelling.filters import (
    LabelOptions,
    Piece,
    agreement,
    faults_of,
    text_within,
)

GOOD = Piece(0.0, 10.0, "habari " * 14, -0.3)  # 98 characters in 10 s


def codes(
    *pieces: Piece, options: LabelOptions | None = None, second: list[str] | None = None
) -> list[str | None]:
    found = faults_of(pieces, second, options or LabelOptions(keep=1.0))
    return [fault and fault.code for fault in found]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"text": ""}, "LBL-EMPTY"),
        ({"looped": True}, "LBL-LOOP"),
        ({"is_cut": True}, "LBL-CUT"),
        ({"end_s": 3.0}, "LBL-SPEED"),
        ({"end_s": 25.0}, "LBL-SPEED"),
        ({"end_s": 98 / 25}, None),
        ({"end_s": 98 / 5}, None),
    ],
)
def test_a_piece_alone(changes: dict[str, object], code: str | None) -> None:
    assert codes(replace(GOOD, **changes)) == [code]


def test_characters_that_are_syllables_count_twice() -> None:
    """3 characters a second are usual in Chinese, and too few in an alphabet."""
    assert codes(replace(GOOD, text="天" * 30)) == [None]
    assert codes(replace(GOOD, text="ሰላም" * 10)) == [None]
    assert codes(replace(GOOD, text="a" * 30)) == ["LBL-SPEED"]
    assert codes(replace(GOOD, text="天" * 130)) == ["LBL-SPEED"]


def test_the_most_probable_share_of_those_that_pass_is_kept() -> None:
    values = [-0.5, -0.1, -0.9, -0.2, -0.7]
    pieces = [replace(GOOD, average_log_probability=each) for each in values]
    looped = replace(GOOD, looped=True, average_log_probability=-0.01)
    found = codes(*pieces, looped, options=LabelOptions(keep=0.6))
    assert found == [None, None, "LBL-SHARE", None, "LBL-SHARE", "LBL-LOOP"]


def test_of_equal_pieces_the_first_are_kept_and_the_share_is_exact() -> None:
    found = codes(*[GOOD] * 10, options=LabelOptions(keep=0.7))
    assert found == [None] * 7 + ["LBL-SHARE"] * 3


def test_what_no_word_is_in_takes_no_place_in_the_share() -> None:
    """A model writes notes and dots for music, and is sure of them; `prepare` would reject them."""
    music = replace(GOOD, text="♪ " * 49, average_log_probability=-0.01)
    found = codes(music, music, GOOD, GOOD, options=LabelOptions(keep=0.5))
    assert found == ["LBL-EMPTY", "LBL-EMPTY", None, "LBL-SHARE"]


def test_two_models_have_to_agree() -> None:
    options = LabelOptions(keep=1.0, least_agreement=0.9)
    second = [GOOD.text.upper() + "!", "kitu kingine kabisa", ""]
    found = codes(GOOD, GOOD, GOOD, options=options, second=second)
    assert found == [None, "LBL-AGREE", "LBL-AGREE"]


def test_agreement_counts_edits_of_the_longer_text() -> None:
    assert agreement("Abc, d", "a bcd.") == 1
    assert agreement("abcd", "abxd") == 0.75
    assert agreement("abcd", "ab") == agreement("ab", "abcd") == 0.5
    assert agreement("?", "") == 0


def test_texts_of_a_second_model_are_found_by_their_time() -> None:
    others = [Piece(0, 4, "a"), Piece(4, 11, "b"), Piece(11, 20, "c")]
    assert text_within(GOOD, others) == "a b"
    assert text_within(Piece(0, 5, "x"), [Piece(0, 20, "all")]) == ""
