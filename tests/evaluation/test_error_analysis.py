"""The anatomy of errors, on clips whose every error is known."""

from dataclasses import replace

import pytest
from known_corpus import spoken
from rows import said

from mothertongue.evaluation.error_analysis import (
    Confusion,
    Failures,
    WordCount,
    error_kinds,
    is_wrong_script,
    script,
)
from mothertongue.evaluation.metrics import utterance_errors
from mothertongue.evaluation.normalizers import normalizer

STRICT = normalizer("strict")


def test_every_count_by_hand() -> None:
    found = error_kinds([spoken()], STRICT)
    counts = {
        k: getattr(found, k) for k in ("substitutions", "deletions", "insertions", "hits", "clips")
    }
    assert counts == {
        "substitutions": 1,
        "deletions": 1,
        "insertions": 1,
        "hits": 2 + 2 + 2,
        "clips": 3,
    }
    assert found.confused_words == [Confusion("chakula", "chakuli", 1)]
    assert found.confused_characters == [Confusion("a", "i", 1)]
    assert found.deleted_words == [WordCount("ya", 1)]
    assert found.inserted_words == [WordCount("sana", 1)]


def test_groups_have_the_rates_of_their_clips() -> None:
    by = error_kinds([spoken()], STRICT).by
    assert {each.name: (each.clips, each.wer) for each in by.duration} == {
        "0-3 s": (1, pytest.approx(1 / 3)),
        "3-6 s": (1, pytest.approx(1 / 3)),
        "10-15 s": (1, pytest.approx(1 / 2)),
    }
    assert {each.name: each.wer for each in by.speaker} == {
        "ana": pytest.approx(2 / 5),
        "ben": pytest.approx(1 / 3),
    }
    assert [each.name for each in by.length] == ["0-5 words"]


def test_several_seeds_are_counted_together() -> None:
    perfect = [replace(each, hypothesis=each.reference) for each in spoken()]
    found = error_kinds([spoken(), perfect], STRICT)
    assert (found.clips, found.substitutions, found.hits) == (6, 1, 6 + 8)
    by_speaker = {each.name: each for each in found.by.speaker}
    assert by_speaker["ana"].wer == pytest.approx(2 / 10)
    assert by_speaker["ana"].clips == 2


def test_errors_are_those_of_the_score() -> None:
    found, errors = error_kinds([spoken()], STRICT), utterance_errors(spoken(), STRICT)
    total = found.substitutions + found.deletions + found.insertions
    assert total == errors.word_errors_N.sum()
    assert found.words == errors.words_N.sum()


def test_failures_of_whole_clips() -> None:
    clips = [
        said("habari", "..."),
        said("habari", "habari habari habari"),
        said("habari", "habari", looped=True),
        said("ሰላም ነው", "selam new"),
        said("habari", "habari"),
    ]
    assert error_kinds([clips], STRICT).failures == Failures(
        empty=1, hallucinations=1, loops=1, wrong_script=1
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ọ̀rọ̀", "LATIN"), ("ሰላም", "ETHIOPIC"), ("മലയാളം", "MALAYALAM"), ("मराठी", "DEVANAGARI"),
        ("日本語です", "CJK"), ("12 !", None), ("привет hi", "CYRILLIC"),
    ],
)  # fmt: skip
def test_script_of_most_letters(text: str, name: str | None) -> None:
    assert script(text) == name


def test_silence_is_in_no_script() -> None:
    assert not is_wrong_script("habari", "")
    assert not is_wrong_script("habari", "123")


def test_a_mean_over_words_is_no_mean_over_clips() -> None:
    clips = [said("a b c d", "a b c x", speaker="one"), said("a", "b", speaker="one")]
    (found,) = error_kinds([clips], STRICT).by.speaker
    assert found.wer == pytest.approx(2 / 5)
    assert found.interval95[0] <= found.wer <= found.interval95[1]
