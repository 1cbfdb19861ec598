import pytest
from hypothesis import given
from hypothesis import strategies as st

from mothertongue.decoding.loops import LOOP_TOKENS, cut_at_loop, is_loop
from mothertongue.decoding.transcript import make_transcript
from mothertongue.model.tokenizer import Tokens

LIMIT = 444
TOKENS = st.lists(st.integers(0, 1), max_size=60)
REPETITIONS = [
    "haleluya haleluya haleluya haleluya haleluya haleluya Bwana asifiwe",
    "ha ha ha ha ha ha! Umesema nini?",
    "moja moja moja moja moja moja mbili tatu",
    "sifuri saba sifuri sifuri sifuri sifuri sifuri sifuri tisa",
    "Na na na na na na na, twende nyumbani kwetu leo.",
    "Gooooooooooooooool! Tumeshinda.",
    "haleluya " * 20 + "Bwana asifiwe",
    " ".join(["haleluya"] * 20),
]


@pytest.mark.parametrize("text", REPETITIONS)
def test_what_people_repeat_is_kept_and_all_behind_it(tokens: Tokens, text: str) -> None:
    made = make_transcript(tokens, "sw", tokens.encode(text), LIMIT, -0.1)
    assert (made.text, made.looped, made.is_cut) == (text, False, False)


@pytest.mark.parametrize("cycle", range(1, 13))
def test_decoding_is_given_up_after_96_tokens_of_one_cycle(cycle: int) -> None:
    said = [99, 98, *range(cycle)]
    endless = said + [*range(cycle)] * LOOP_TOKENS
    steps = next(n for n in range(len(endless)) if is_loop(endless[:n]))
    assert steps == 2 + LOOP_TOKENS
    assert cut_at_loop(endless[:steps], LIMIT) == (said, True)
    # An engine without this rule went on to the limit, or ended much later.
    assert cut_at_loop([*endless[: LIMIT - 1], 97], LIMIT) == (said, True)
    assert cut_at_loop(endless[: steps - 1], LIMIT) == (endless[: steps - 1], False)


@pytest.mark.parametrize("cycle", [1, 5, 13, 40, 70])
def test_loop_that_met_the_limit_is_cut_whatever_its_cycle(cycle: int) -> None:
    said = [99, 98, *range(cycle)]
    endless = (said + [*range(cycle)] * LIMIT)[:LIMIT]
    assert cut_at_loop(endless, LIMIT) == (said, True)
    assert cut_at_loop(endless[:50], 50) == ((said, True) if cycle < 8 else (endless[:50], False))


def test_the_whole_cycle_is_found_where_a_part_of_it_repeats_too() -> None:
    cycle = [5, 1, 1, 1, 1, 1, 1, 1]
    assert cut_at_loop((cycle * 60)[:LIMIT], LIMIT) == (cycle, True)
    assert cut_at_loop((cycle * 60)[: 8 * 14], LIMIT) == (cycle, True)


@pytest.mark.parametrize("tokens", [[], [1], [1] * 95, [*range(20)] * 20, [1] * 95 + [2]])
def test_no_loop(tokens: list[int]) -> None:
    assert not is_loop(tokens)
    assert cut_at_loop(tokens, LIMIT) == (tokens, False)


@given(TOKENS, st.integers(0, 60))
def test_cut_is_a_beginning_and_stays(tokens: list[int], limit: int) -> None:
    kept, looped = cut_at_loop(tokens[:limit], limit)
    assert tokens[: len(kept)] == kept
    assert looped == (len(kept) < len(tokens[:limit]))
    assert not looped or cut_at_loop(kept, limit) == (kept, False)
