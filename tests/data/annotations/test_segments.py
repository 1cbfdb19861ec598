import pytest

from mothertongue.data.annotations.segments import Segment, joined, named


def said(start_s: float | None, end_s: float | None, text: str, speaker: str = "A") -> Segment:
    return Segment(text, start_s, end_s, text, speaker)


def join(*segments: Segment, longest_s: float = 10.0, gap_s: float = 0.5) -> list[tuple]:
    found = joined(segments, longest_s, gap_s)
    return [(each.start_s, each.end_s, each.text) for each in found]


def test_neighbours_are_joined_up_to_the_length_and_over_a_short_pause() -> None:
    given = [said(0, 4, "a"), said(4.5, 8, "b"), said(8, 11, "c"), said(11.6, 12, "d")]
    assert join(*given) == [(0, 8, "a b"), (8, 11, "c"), (11.6, 12, "d")]
    assert join(*reversed(given)) == join(*given)
    assert join(*given, longest_s=0.0) == [(each.start_s, each.end_s, each.text) for each in given]


def test_what_was_joined_says_so_and_keeps_the_first_place() -> None:
    first, second, third = said(0, 1, "a"), said(1, 2, "b"), said(5, 6, "c")
    assert list(joined([first, second, third], 10, 0.5)) == [
        Segment("a", 0, 2, "a b", "A", ("SEG-JOINED",)),
        third,
    ]


def test_scripts_without_spaces_are_joined_without_one() -> None:
    assert join(said(0, 1, "สวัสดี"), said(1, 2, "ครับ")) == [(0, 2, "สวัสดีครับ")]
    assert join(said(0, 1, "ดู"), said(1, 2, "TV")) == [(0, 2, "ดู TV")]


def test_another_speaker_between_keeps_them_apart() -> None:
    given = [said(0, 2, "a"), said(1.5, 2.2, "hm", "B"), said(2.3, 4, "b")]
    assert join(*given) == [(0, 2, "a"), (1.5, 2.2, "hm"), (2.3, 4, "b")]


def test_overlapping_ones_of_one_speaker_end_with_the_later_end() -> None:
    assert join(said(0, 5, "a"), said(1, 2, "b")) == [(0, 5, "a b")]


def test_bad_times_are_passed_on_for_their_row_to_be_refused() -> None:
    bad = [said(None, 2, "a"), said(3, 2, "b"), said(-1, 2, "c")]
    assert list(joined([*bad, said(0, 1, "d")], 10, 0.5)) == [*bad, said(0, 1, "d")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("transcription@Anna", ("transcription", "Anna")),
        ("Anna - words", ("words", "Anna")),
        ("words", ("words", None)),
        ("@Anna", ("@Anna", None)),
        ("", ("", None)),
    ],
)
def test_names_of_tiers_tell_kind_and_speaker(name: str, expected: tuple) -> None:
    assert named(name) == expected
