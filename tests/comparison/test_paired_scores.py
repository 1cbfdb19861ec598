"""Rows that are compared: by which rate, over what, and for how many at once."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from rows import said

from mothertongue.comparison.paired_scores import Scored, on_fronts, with_differences
from mothertongue.comparison.schema import OtherSet, Pareto, RunCost, StrategyRow
from mothertongue.data.languages import Measure
from mothertongue.evaluation.rates import UtteranceRow
from mothertongue.system.json_files import field_values

THAI = ["สวัสดีครับ", "ขอบคุณมาก", "ไปไหนมา", "กินข้าวหรือยัง"]
Found = dict[str, Scored]


def rows(wrong: int, texts: list[str] = THAI, speaker: str | None = None) -> list[UtteranceRow]:
    """Transcripts whose first characters, so many, are wrong in each clip."""
    return [
        said(text, "ษ" * wrong + text[wrong:], id=f"clip{i}", speaker=speaker, language="th")
        for i, text in enumerate(texts)
    ]


def scored(*wrong: int, texts: list[str] = THAI) -> Scored:
    return Scored(tuple(rows(each, texts) for each in wrong))


def row(name: str, *wrong: int) -> tuple[StrategyRow, Found]:
    found = scored(*wrong)
    strategy = StrategyRow(
        **field_values(cost(1)),
        strategy=name,
        settings={},
        out_of=1,
        runs=[],
        chosen_at_wer=None,
        scores=found.scores(),
        anatomy=found.error_kinds(),
        also={"also-x": OtherSet(found.scores())},
        retention=None,
        pareto=Pareto(False, False),
    )
    return strategy, {"test": found, "also-x": found}


def cost(size: int) -> RunCost:
    return RunCost(size, size, [1], 1.0, float(size), 1.0, 1, 1, "cpu")


def differing(
    systems: Sequence[tuple[StrategyRow, Found]], base: Found, measure: Measure
) -> list[StrategyRow]:
    found = {each.strategy: sets for each, sets in systems}
    return with_differences([each for each, _ in systems], found, "full", base, measure)


def compared(measure: Measure, *systems: tuple[StrategyRow, Found]) -> dict[str, StrategyRow]:
    base = {"test": scored(5), "also-x": scored(5)}
    return {each.strategy: each for each in differing(systems, base, measure)}


def test_where_words_have_no_spaces_only_characters_tell_systems_apart() -> None:
    """Every phrase has an error, so each is one wrong word, however many characters are right."""
    systems = [row("full", 3, 3), row("lora", 1, 1)]
    by_words = compared("wer", *systems)
    assert by_words["lora"].vs_reference.difference == 0
    assert by_words["full"].vs_best is None  # the first of equals
    by_characters = compared("cer", *systems)
    found = by_characters["lora"]
    characters = sum(map(len, THAI))
    assert found.vs_reference.difference == pytest.approx(-2 * 4 / characters)
    assert found.vs_base.measure == "cer"
    assert (found.vs_best, by_characters["full"].vs_best.difference > 0) == (None, True)


def test_all_pairs_of_a_table_are_adjusted_for_and_other_sets_for_the_base_alone() -> None:
    found = compared("cer", row("full", 3, 3), row("lora", 1, 1), row("freeze", 2, 2))
    vs_base = found["lora"].vs_base
    assert vs_base.comparisons == 6  # three with the base, three among the strategies
    assert vs_base.p_holm >= vs_base.p
    assert found["lora"].also["also-x"].vs_base.comparisons == 3
    assert (vs_base.drawn, vs_base.num_drawn, vs_base.over_seeds) == ("clips", 4, True)
    # Four clips: 2 / 2**4 at the least, times six.
    assert (vs_base.p, vs_base.p_holm) == (0.125, 0.75)


def test_one_seed_is_compared_with_the_base_only() -> None:
    found = compared("cer", row("full", 3), row("lora", 1))
    assert found["lora"].vs_reference.p_holm is None
    assert found["lora"].vs_base.comparisons == 2
    assert not found["lora"].vs_base.over_seeds


def test_without_a_base_strategies_are_compared_all_the_same() -> None:
    systems = [row("full", 3, 3), row("lora", 1, 1)]
    alone = [(replace(each, also={}), found) for each, found in systems]
    full, lora = differing(alone, {}, "cer")
    assert full.vs_base is lora.vs_base is None
    assert lora.vs_reference.comparisons == 1
    (one,) = differing(alone[:1], {}, "cer")
    assert one.vs_base is one.vs_best is None


def test_fronts_are_of_the_rate_that_chose() -> None:
    costs = [cost(9), cost(1)]
    assert on_fronts([0.2, 0.1], costs) == [Pareto(False, False), Pareto(True, True)]
    assert on_fronts([0.1, 0.2], costs) == [Pareto(True, True), Pareto(True, True)]


def test_the_interval_draws_the_readings_of_a_sentence_together() -> None:
    """Two sentences, read ten times each: two units, so either may be drawn twice."""
    texts = [THAI[0], THAI[1]] * 10
    right, wrong = rows(0, texts[::2]), rows(4, texts[1::2])
    both = Scored(([each for pair in zip(right, wrong, strict=True) for each in pair],))
    score = both.scores()["strict"]
    assert score.interval95 == (0, 1)
    assert score.cer_interval95 == (0, 4 / len(THAI[1]))
