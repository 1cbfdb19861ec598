"""What is recommended, why, and with which doubts."""

import pytest
from comparison_results import (
    by_cer,
    comparison,
    difference,
    of_json,
    on_test,
    one_seed,
    only,
    scores,
    with_averages,
)

from mothertongue.report.text import recommendation

advice = of_json(recommendation.advice)


def test_the_lowest_wer_is_recommended_with_its_reasons() -> None:
    found = advice(comparison(), "sw")
    assert found is not None
    assert found.strategy == "freeze"
    assert found.summary == "22 words in 100 wrong, where the base model has 114"
    reasons = "\n".join(found.reasons)
    assert "On 487 test clips its word error rate (WER) is 22.0 %; 95 % interval 20.0-24.0 %." in (
        reasons
    )
    how = "95 % 1.5 to 4.5 over seeds x 37 speakers; p = 0.002"
    assert f"3.0 fewer wrong words in 100 ({how}) than full" in reasons
    assert "Measurably better than full and lora." in reasons
    assert "82.7 % of the parameters; a run took 15.0 min and 4.21 GB" in reasons


def test_every_doubt_is_said() -> None:
    found = advice(comparison(), "sw")
    assert found is not None
    doubts = "\n".join(found.doubts)
    assert "picked from 3 strategies by the same test clips" in doubts
    assert "On other speech (radio) its WER is 32.0 %." in doubts
    assert "It forgot: WER on en and de rose from 15.0 to 22.8 % on average" in doubts
    assert "Data sw-corpus: speakers are shared between train and test." in doubts
    assert "One seed" not in doubts
    assert "Only" not in doubts


def test_what_cannot_be_told_apart_is_named() -> None:
    found = advice(comparison(), "is")
    assert found is not None
    assert found.strategy == "freeze"
    assert "which may be chance" in "\n".join(found.reasons)
    assert any(
        each.startswith("full is not measurably different: +3.0 points") for each in found.doubts
    )
    assert not any("forgot" in each for each in found.doubts)


def test_a_choice_on_the_test_split_is_the_first_doubt() -> None:
    found = advice(on_test(comparison()), "sw")
    assert found is not None
    assert "chosen on the test split" in found.doubts[0]


def test_one_strategy_alone_needs_no_choice() -> None:
    result = only(comparison(), "sw", "lora")
    result["languages"]["sw"]["strategies"][0]["runs"] = ["lora-seed0"]
    found = advice(result, "sw")
    assert found is not None
    assert not any("picked" in each for each in found.doubts)
    assert any(each.startswith("One seed") for each in found.doubts)


def test_without_a_tested_strategy_there_is_no_advice() -> None:
    assert advice(only(comparison(), "sw"), "sw") is None


def test_one_seed_calls_nothing_better_and_says_why() -> None:
    found = advice(one_seed(comparison(), "sw"), "sw")
    assert found is not None
    reasons, doubts = "\n".join(found.reasons), "\n".join(found.doubts)
    assert "easurably" not in reasons + doubts
    assert "(95 % -1.0 to 7.0 over 37 speakers; not tested, for there is one seed) than full" in (
        reasons
    )
    assert "p = 0.002; of this run, another may differ) than the base model" in reasons
    assert (
        "One seed, so it is called better than none of full and lora: another run of the same "
        "settings may differ by as much; give several: seeds: [0, 1, 2]."
    ) in doubts


def test_a_language_without_word_spaces_is_judged_by_characters() -> None:
    found = advice(by_cer(comparison()), "sw")
    assert found is not None
    assert found.summary == "7 characters in 100 wrong, where the base model has 38"
    reasons = "\n".join(found.reasons)
    assert "its character error rate (CER) is 7.3 %; 95 % interval 6.3-8.3 %." in reasons
    assert "fewer wrong characters in 100" in reasons
    assert "(radio) its CER is 10.7 %." in "\n".join(found.doubts)


@pytest.mark.parametrize(
    ("p", "how"),
    [
        (0.002, "95 % 1.0 to 3.0 over seeds x 37 speakers; p = 0.002"),
        (0.41, "p = 0.410 over seeds x 37 speakers, which may be chance"),
    ],
)
def test_what_is_worse_than_the_base_model_is_not_recommended(p: float, how: str) -> None:
    result = comparison()
    found = result["languages"]["sw"]
    found["base"]["scores"] = scores(0.2)
    found["strategies"][1]["vs_base"] = difference(0.02, p)
    said = advice(result, "sw")
    assert said is not None
    assert not said.is_better_than_base
    assert said.doubts[0] == (
        f"2.0 more wrong words in 100 ({how}) than the base model on the same clips: tuning did "
        "not help; use the base model."
    )
    assert not any("base model" in each for each in said.reasons)
    better = advice(comparison(), "sw")
    assert better and better.is_better_than_base


def test_a_tie_with_the_reference_is_no_reason() -> None:
    result = comparison()
    result["languages"]["sw"]["strategies"][1]["vs_reference"] = difference(0.0, 1.0)
    said = advice(result, "sw")
    assert said is not None
    assert not any("than full on" in each for each in said.reasons)


def test_few_speakers_are_said_to_be_few() -> None:
    result = comparison()
    row = result["languages"]["sw"]["strategies"][1]
    row["vs_base"] |= {"drawn": "clips", "num_drawn": 487, "num_speakers": 3}
    found = advice(result, "sw")
    assert found is not None
    assert "The test clips are of 3 speakers, too few to draw from" in "\n".join(found.doubts)


def test_it_says_whether_the_average_of_the_runs_is_better_than_each_of_them() -> None:
    result = with_averages(comparison())
    found = advice(result, "sw")
    assert found is not None
    worse = "the average of its 2 runs (sw-freeze-average, alpha 1) is worse than freeze-seed1 by"
    assert f"On validation, {worse} 0.4 points." in found.reasons
    assert not any("sw-full-average" in each for each in found.reasons)
    found = advice(only(result, "sw", "full"), "sw")
    assert found is not None
    better = "the average of its 2 runs (sw-full-average, alpha 0.7) is better than full-seed1 by"
    assert f"On validation, {better} 1.0 points; on the test clips its WER is 23.5 %." in (
        found.reasons
    )
