"""Rows that are compared: by which rate, over what, and for how many at once."""

from typing import Any

import pytest

from mothertongue.comparison.paired_scores import Scored, mark_fronts, with_differences

Json = dict[str, Any]
THAI = ["สวัสดีครับ", "ขอบคุณมาก", "ไปไหนมา", "กินข้าวหรือยัง"]


def rows(wrong: int, texts: list[str] = THAI, speaker: str | None = None) -> list[Json]:
    """Transcripts whose first characters, so many, are wrong in each clip."""
    return [
        {"id": f"clip{i}", "reference": text, "hypothesis": "ษ" * wrong + text[wrong:]}
        | {"speaker": speaker, "language": "th", "duration_s": 1.0, "looped": False}
        for i, text in enumerate(texts)
    ]


def scored(*wrong: int, texts: list[str] = THAI) -> Scored:
    return Scored(tuple(rows(each, texts) for each in wrong))


def row(name: str, *wrong: int, cost: int = 1) -> Json:
    found = scored(*wrong)
    also = {"also-x": {"scores": found.scores()}}
    costs = {"trainable_parameters": cost, "wall_s": cost}
    return {"strategy": name, "scores": found.scores(), "also": also, **costs} | {
        "found": {"test": found, "also-x": found}
    }


def differing(systems: list[Json], base: dict[str, Scored], measure: str) -> list[Json]:
    found = {each["strategy"]: each.pop("found") for each in systems}
    return with_differences(systems, found, "full", base, measure)


def compared(measure: str, *systems: Json) -> dict[str, Json]:
    base = {"test": scored(5), "also-x": scored(5)}
    found = differing(list(systems), base, measure)
    return {each["strategy"]: each for each in found}


def test_where_words_have_no_spaces_only_characters_tell_systems_apart() -> None:
    """Every phrase has an error, so each is one wrong word, however many characters are right."""
    systems = [row("full", 3, 3), row("lora", 1, 1)]
    by_words = compared("wer", *(dict(each) for each in systems))
    assert by_words["lora"]["vs_reference"]["difference"] == 0
    assert by_words["full"]["vs_best"] is None  # the first of equals
    by_characters = compared("cer", *systems)
    found = by_characters["lora"]
    characters = sum(map(len, THAI))
    assert found["vs_reference"]["difference"] == pytest.approx(-2 * 4 / characters)
    assert found["vs_base"]["measure"] == "cer"
    assert (found["vs_best"], by_characters["full"]["vs_best"]["difference"] > 0) == (None, True)


def test_all_pairs_of_a_table_are_adjusted_for_and_other_sets_for_the_base_alone() -> None:
    found = compared("cer", row("full", 3, 3), row("lora", 1, 1), row("freeze", 2, 2))
    vs_base = found["lora"]["vs_base"]
    assert vs_base["comparisons"] == 6  # three with the base, three among the strategies
    assert vs_base["p_holm"] >= vs_base["p"]
    assert found["lora"]["also"]["also-x"]["vs_base"]["comparisons"] == 3
    assert (vs_base["drawn"], vs_base["num_drawn"], vs_base["over_seeds"]) == ("clips", 4, True)
    # Four clips: 2 / 2**4 at the least, times six.
    assert (vs_base["p"], vs_base["p_holm"]) == (0.125, 0.75)


def test_one_seed_is_compared_with_the_base_only() -> None:
    found = compared("cer", row("full", 3), row("lora", 1))
    assert found["lora"]["vs_reference"]["p_holm"] is None
    assert found["lora"]["vs_base"]["comparisons"] == 2
    assert not found["lora"]["vs_base"]["over_seeds"]


def test_without_a_base_strategies_are_compared_all_the_same() -> None:
    systems = [row("full", 3, 3), row("lora", 1, 1)]
    for each in systems:
        each["also"] = {}
    full, lora = differing(systems, {}, "cer")
    assert full["vs_base"] is lora["vs_base"] is None
    assert lora["vs_reference"]["comparisons"] == 1
    (alone,) = differing([row("full", 3) | {"also": {}}], {}, "cer")
    assert alone["vs_base"] is alone["vs_best"] is None


def test_fronts_are_of_the_rate_that_chose() -> None:
    systems = [row("full", 1, cost=9), row("lora", 3, cost=1)]
    mark_fronts(systems, "wer")
    assert [each["pareto"]["time"] for each in systems] == [False, True]
    mark_fronts(systems, "cer")
    assert [each["pareto"]["time"] for each in systems] == [True, True]


def test_the_interval_draws_the_readings_of_a_sentence_together() -> None:
    """Two sentences, read ten times each: two units, so either may be drawn twice."""
    texts = [THAI[0], THAI[1]] * 10
    right, wrong = rows(0, texts[::2]), rows(4, texts[1::2])
    both = Scored(([each for pair in zip(right, wrong, strict=True) for each in pair],))
    score = both.scores()["strict"]
    assert score["interval95"] == [0, 1]
    assert score["cer_interval95"] == [0, 4 / len(THAI[1])]
