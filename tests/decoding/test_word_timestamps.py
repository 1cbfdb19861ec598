"""Ways through maps whose best one is known, and tokens that make words."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mothertongue.decoding.word_timestamps import Alignment, group_words, starts_of, warp, words_of
from mothertongue.model.tokenizer import Tokens


def ways(rows: int, columns: int) -> list[list[tuple[int, int]]]:
    """Every monotonic way from the first cell to the last."""
    found = []
    for steps in product(range(3), repeat=rows + columns - 2):
        way = [(0, 0)]
        for step in steps:
            if way[-1] == (rows - 1, columns - 1):
                break
            way.append((way[-1][0] + (step != 1), way[-1][1] + (step != 2)))
        if way[-1] == (rows - 1, columns - 1):
            found.append(way)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_no_way_is_cheaper(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost_LT = rng.standard_normal((3, 4)).astype(np.float32)
    rows, columns = warp(cost_LT)
    cheapest = min(sum(cost_LT[cell] for cell in way) for way in ways(3, 4))
    assert cost_LT[rows, columns].sum() == pytest.approx(cheapest, abs=1e-5)
    assert (rows[0], columns[0], rows[-1], columns[-1]) == (0, 0, 2, 3)
    assert set(np.diff(rows)) <= {0, 1} and set(np.diff(columns)) <= {0, 1}


def test_the_way_follows_what_is_marked() -> None:
    cost_LT = np.zeros((3, 200), np.float32)
    for row, (first, end) in enumerate([(0, 50), (50, 120), (120, 200)]):
        cost_LT[row, first:end] = -1
    assert starts_of(*warp(cost_LT)) == pytest.approx((0.0, 1.0, 2.4), abs=0.021)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Habari yako? Nzuri.", "sw", [" Habari", " yako?", " Nzuri."]),
        ("ሰላም ለዓለም።", "am", [" ሰላም", " ለዓለም።"]),
        ("മലയാളം ഭാഷ", "ml", ["മലയാളം", " ഭാഷ"]),
        ("bá ọ̀rẹ́ mi", "yo", [" bá", " ọ̀rẹ́", " mi"]),
        ("- ndiyo 🙂", "sw", [" - ndiyo", " 🙂"]),
        ("你好。", "zh", [" 你", "好。"]),
        ("「世界」は", "ja", [" 「世界」", "は"]),
        ("วันดี", "th", ["วั", "น", "ดี"]),
    ],
)
def test_words(tokens: Tokens, text: str, language: str, expected: list[str]) -> None:
    found = group_words(tokens, tokens.encode(text), language)
    assert [text for text, _ in found] == expected


def test_broken_bytes_are_no_longer_than_they_are(tokens: Tokens) -> None:
    """Half a character, as a model may write it, in the middle of a text."""
    half = tokens.encode("ሰ")[:-1]
    ids = [*tokens.encode("moja"), *half, *tokens.encode("mbili tatu")]
    found = [text for text, _ in group_words(tokens, ids, "sw")]
    assert found == [" moja", " \ufffd mbili", " tatu"]


@given(st.lists(st.one_of(st.integers(0, 255), st.integers(0, 50_256)), max_size=20))
def test_words_of_any_tokens_are_the_text(tokens: Tokens, ids: list[int]) -> None:
    """The first 256 tokens are single bytes: hardly any of this is whole characters."""
    found = group_words(tokens, ids, "zh")
    assert "".join(text for text, _ in found) == tokens.decode_exact(ids)
    assert [token for _, part in found for token in part] == ids


@given(st.text(max_size=60), st.sampled_from(["sw", "zh", "th"]))
def test_words_are_the_text_and_its_tokens(tokens: Tokens, text: str, language: str) -> None:
    ids = tokens.encode(text)
    found = group_words(tokens, ids, language)
    assert "".join(text for text, _ in found) == tokens.decode_exact(ids)
    assert [token for _, part in found for token in part] == ids


@given(st.data())
def test_times_are_in_order_and_inside_the_clip(tokens: Tokens, data: st.DataObject) -> None:
    ids = tokens.encode("moja mbili tatu nne")
    times = st.lists(st.floats(0, 6), min_size=len(ids) + 1, max_size=len(ids) + 1)
    alignment = Alignment(tuple(data.draw(times)), (0.5,) * len(ids))
    found = words_of(tokens, ids, "sw", alignment, 5.0)
    assert [each.text for each in found] == [" moja", " mbili", " tatu", " nne"]
    edges = [edge for each in found for edge in (each.start_s, each.end_s)]
    assert edges == sorted(edges)
    assert edges[0] >= 0 and edges[-1] <= 5.0


def test_a_pause_is_no_part_of_the_first_word(tokens: Tokens) -> None:
    ids = tokens.encode("moja mbili tatu")
    count = len(group_words(tokens, ids, "sw"))
    starts_s = (0.0, *np.linspace(4.0, 5.0, len(ids)).tolist())
    first, *_, last = words_of(tokens, ids, "sw", Alignment(starts_s, (0.5,) * len(ids)), 9.0)
    assert count == 3
    assert first.start_s > 2.0 and first.end_s >= 4.0
    assert last.end_s == pytest.approx(5.0)


def test_nothing_said(tokens: Tokens) -> None:
    assert words_of(tokens, [], "sw", Alignment((0.0,), ()), 3.0) == ()
