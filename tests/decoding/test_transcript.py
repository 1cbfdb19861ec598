import pytest
from hypothesis import given
from hypothesis import strategies as st

from mothertongue.decoding.transcript import (
    cut_at_loop,
    loop_length,
    make_transcript,
    token_limit,
)
from mothertongue.tokens import Tokens

TOKENS = st.lists(st.integers(0, 3), max_size=60)


@pytest.mark.parametrize("cycle", range(1, 9))
def test_cycle_said_six_times_is_a_loop(cycle: int) -> None:
    said = [*range(cycle)]
    assert loop_length([99, 98, *said * 6]) == 5 * cycle
    assert cut_at_loop([99, 98, *said * 6]) == ([99, 98, *said], True)


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        [1],
        [1] * 5,
        [1, 2] * 5 + [1],
        [*range(9)] * 6,  # a cycle of nine tokens is a sentence
        [1] * 5 + [2] + [1] * 5,
        [*range(100)],
    ],
)
def test_what_is_no_loop(tokens: list[int]) -> None:
    assert loop_length(tokens) == 0
    assert cut_at_loop(tokens) == (tokens, False)


def test_loop_that_ended_is_cut_with_all_behind_it() -> None:
    assert loop_length([7, *[1, 2] * 6, 3]) == 0
    assert cut_at_loop([7, *[1, 2] * 6, 3]) == ([7, 1, 2], True)


def test_loop_that_is_cut_in_the_middle_of_its_cycle() -> None:
    kept, looped = cut_at_loop([1, 2, 3] * 7 + [1])
    assert (kept, looped) == ([1, 2, 3], True)


@given(TOKENS)
def test_cut_is_a_beginning_without_a_loop(tokens: list[int]) -> None:
    kept, looped = cut_at_loop(tokens)
    assert tokens[: len(kept)] == kept
    assert looped == (kept != tokens)
    assert cut_at_loop(kept) == (kept, False)


@pytest.mark.parametrize(
    ("duration_s", "limit"),
    [(0, 20), (0.01, 21), (1.0, 70), (2.5, 145), (8.48, 444), (8.5, 444), (30, 444)],
)
def test_token_limit(duration_s: float, limit: int) -> None:
    assert token_limit(duration_s) == limit


def test_transcript_of_raw_tokens(tokens: Tokens) -> None:
    ids = tokens.encode("habari yako")
    made = make_transcript(tokens, "sw", ids, -0.5)
    assert (made.text, made.language, made.tokens) == ("habari yako", "sw", tuple(ids))
    assert (made.average_log_probability, made.looped) == (-0.5, False)


def test_transcript_of_a_loop(tokens: Tokens) -> None:
    word = tokens.encode("ndiyo")
    made = make_transcript(tokens, "sw", word * 10, -0.1)
    assert (made.text, made.tokens, made.looped) == ("ndiyo", tuple(word), True)
