"""Differences of systems whose answer is known; test_false_positives.py simulates the rest."""

import subprocess
import sys

import numpy as np
import pytest
from rows import said

from mothertongue.evaluation.differences import SMALLEST_P, Units, differences, holm, units
from mothertongue.evaluation.normalizers import normalizer
from mothertongue.evaluation.rates import UtteranceRow
from mothertongue.evaluation.student import student_p, student_quantile


def clips(count: int) -> Units:
    return Units("clips", tuple(range(count)), 0)


def runs(*rates: float, count: int = 200, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.stack([random.binomial(10, rate, count) for rate in rates])


def row(reference: str, speaker: str | None = None) -> UtteranceRow:
    return said(reference, speaker=speaker)


def drawn(rows: list[UtteranceRow]) -> Units:
    return units(rows, [len(each.reference.split()) for each in rows], normalizer("strict"))


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (2, 4.303), (4, 2.776), (10, 2.228), (1000, 1.962)]
)
def test_student_t_is_that_of_the_tables(freedom: int, quantile: float) -> None:
    assert student_quantile(freedom) == pytest.approx(quantile, abs=0.002)
    assert student_p(quantile, freedom) == pytest.approx(0.05, abs=1e-4)
    assert student_p(0, freedom) == 1


def test_holm_multiplies_the_smallest_by_all_and_never_falls() -> None:
    # Each rank by hand: 4 x 0.01, 3 x 0.02, 2 x 0.04, 1 x 0.03 (raised to the one before).
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_readings_of_one_sentence_are_one_unit() -> None:
    rows = [row("Habari gani?"), row("habari gani"), row("asante sana")]
    found = drawn(rows)
    assert (found.kind, found.count) == ("sentences", 2)
    assert found.of_clip_N[0] == found.of_clip_N[1]
    assert drawn(rows[1:]).kind == "clips"


def test_speakers_are_drawn_where_enough_are_known() -> None:
    rows = [row(f"moja mbili {i}", f"speaker{i % 8}") for i in range(48)]
    found = drawn(rows)
    assert (found.kind, found.count, found.num_speakers) == ("speakers", 8, 8)
    # A few clips of unknown speakers are drawn by themselves.
    found = drawn([*rows, row("tatu"), row("nne")])
    assert (found.kind, found.count, found.num_speakers) == ("speakers", 10, 8)
    assert drawn([row(f"moja {i}", f"speaker{i % 7}") for i in range(49)]).kind == "clips"
    assert drawn([*rows, *(row(f"tatu {i}") for i in range(60))]).kind == "clips"


def test_one_speaker_with_most_of_the_clips_is_not_many_speakers() -> None:
    rows = [row(f"moja {i}", "one") for i in range(90)]
    rows += [row(f"mbili {i}", f"other{i}") for i in range(10)]
    assert (drawn(rows).kind, drawn(rows).num_speakers) == ("clips", 11)


def test_the_difference_is_that_of_the_mean_rates() -> None:
    systems = {"a": runs(0.3, 0.32, seed=1), "b": runs(0.2, 0.25, seed=2)}
    pairs = [("a", "b"), ("b", "a")]
    forth, back = differences(systems, [10] * 200, clips(200), pairs).values()
    expected = (systems["b"].mean() - systems["a"].mean()) / 10
    assert forth.difference == pytest.approx(expected) == pytest.approx(-back.difference)
    low, high = forth.interval95
    assert low + high == pytest.approx(2 * forth.difference)
    assert forth.over_seeds


def test_a_strategy_with_one_seed_is_not_tested_against_another() -> None:
    systems = {"base": runs(0.9), "a": runs(0.3), "b": runs(0.2, 0.21, 0.22)}
    pairs = [("base", "a"), ("base", "b"), ("a", "b")]
    found = differences(systems, [10] * 200, clips(200), pairs, base="base")
    assert found["a", "b"].p is found["a", "b"].p_holm is None
    assert not found["a", "b"].over_seeds
    assert found["a", "b"].interval95[1] < 0
    # Of the run at hand something can be said; and only what was tested is counted.
    assert found["base", "a"].p == SMALLEST_P
    assert not found["base", "a"].over_seeds
    assert found["base", "a"].p_holm == 2 * SMALLEST_P
    assert found["base", "b"].over_seeds


def test_seeds_widen_the_interval() -> None:
    narrow, wide = (
        differences({"a": a, "b": b}, [10] * 200, clips(200), [("a", "b")])["a", "b"]
        for a, b in (
            (runs(0.3, 0.3, 0.3, seed=1), runs(0.2, 0.2, 0.2, seed=2)),
            (runs(0.25, 0.3, 0.35, seed=1), runs(0.15, 0.2, 0.25, seed=2)),
        )
    )
    assert narrow.difference == pytest.approx(wide.difference, abs=0.02)
    assert np.ptp(narrow.interval95) < np.ptp(wide.interval95) / 2
    assert narrow.p is not None and wide.p is not None
    assert narrow.p < 0.01 < wide.p


@pytest.mark.parametrize(("count", "bound"), [(1, 1.0), (2, 0.5), (3, 0.25), (5, 0.0625)])
def test_no_p_is_below_the_exact_sign_flip_bound(count: int, bound: float) -> None:
    """Each clip has one error less: no test could be surer than the signs are."""
    systems = {"base": np.full((1, count), 5), "a": np.full((1, count), 4)}
    pair = ("base", "a")
    found = differences(systems, [10] * count, clips(count), [pair], base="base")[pair]
    assert found.p == bound
    # Clips that do not differ say nothing of a sign.
    wider = {name: np.pad(each, ((0, 0), (0, 50))) for name, each in systems.items()}
    found = differences(wider, [10] * (count + 50), clips(count + 50), [pair], base="base")[pair]
    assert found.p is not None and found.p >= bound


def test_equal_systems_do_not_differ() -> None:
    systems = {"a": runs(0.3, 0.31), "b": runs(0.3, 0.31)}
    found = differences(systems, [10] * 200, clips(200), [("a", "b")])["a", "b"]
    assert (found.difference, found.p, found.p_holm) == (0.0, 1.0, 1.0)
    one = {"base": runs(0.3), "a": runs(0.3)}
    found = differences(one, [10] * 200, clips(200), [("base", "a")], base="base")["base", "a"]
    assert (found.interval95, found.p) == ((0.0, 0.0), 1.0)


def test_is_torch_free() -> None:
    program = (
        "import sys, mothertongue.evaluation.differences;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
