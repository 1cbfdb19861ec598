"""Test scores of long recordings against counts by hand."""

from dataclasses import replace

import numpy as np
import pytest

from mothertongue.decoding.word_timestamps import Word
from mothertongue.evaluation.long_form import (
    LongTranscript,
    long_scores,
    part_errors,
    rate_ratio,
    time_errors,
)
from mothertongue.evaluation.metrics import count_errors
from mothertongue.evaluation.normalizers import characters, normalizer
from mothertongue.evaluation.records import Ratio, TimeErrors

STRICT = normalizer("strict")
TEXTS = ("Moja mbili, tatu.", "Nne tano!", "Sita saba nane tisa.")


def long(hypothesis: str, **changes: object) -> LongTranscript:
    return replace(LongTranscript("a", "sw", TEXTS, hypothesis, 60.0), **changes)


@pytest.mark.parametrize(
    ("hypothesis", "errors"),
    [
        ("moja mbili tatu nne tano sita saba nane tisa", [0, 0, 0]),
        ("moja mbili tatu sita saba nane tisa", [0, 2, 0]),  # a clip is missing
        ("moja mbili nne tano sita saba tisa", [1, 0, 1]),
        ("mmoja mbili tatu nne tano sita saba nane tisa kumi", [1, 0, 1]),  # kumi is after all
        ("moja mbili tatu nne kumi tano sita saba nane tisa", [0, 1, 0]),
        ("", [3, 2, 4]),
    ],
)
def test_errors_count_for_the_part_in_whose_text_they_are(
    hypothesis: str, errors: list[int]
) -> None:
    counts_P2 = part_errors(long(hypothesis), STRICT, str.split)
    assert counts_P2.tolist() == [[each, n] for each, n in zip(errors, (3, 2, 4), strict=True)]


def test_errors_of_parts_are_together_those_of_the_recording() -> None:
    rng = np.random.default_rng(0)
    for split in (str.split, characters):
        for _ in range(20):
            heard = " ".join(rng.choice(["moja", "mbili", "nne", "tano", "sita"], 9))
            counts_P2 = part_errors(long(heard), STRICT, split)
            whole = count_errors(split(STRICT(" ".join(TEXTS))), split(STRICT(heard)))
            assert counts_P2.sum(axis=0).tolist() == [whole.errors, whole.reference_length]


def test_texts_of_languages_without_spaces_are_joined_without() -> None:
    found = LongTranscript("a", "zh", ("你好。", "再见"), "你好再", 9.0)
    assert found.reference == "你好。再见"
    assert part_errors(found, STRICT, characters).tolist() == [[0, 2], [1, 2]]


def test_a_text_that_is_empty_once_normalized_has_no_errors() -> None:
    found = long("moja mbili tatu sita saba nane tisa", texts=(TEXTS[0], "!", TEXTS[2]))
    assert part_errors(found, STRICT, str.split).tolist() == [[0, 3], [0, 0], [0, 4]]


def test_rates_are_of_whole_recordings_and_intervals_of_their_parts() -> None:
    scores = long_scores([long("moja mbili tatu sita saba nane tisa")] * 2, "full")
    strict = scores["strict"]
    assert (strict.wer, strict.deletions, strict.n) == (pytest.approx(2 / 9), 4, 2)
    low, high = strict.interval95
    assert low == 0 and high > 0.5  # a draw may have only the part that is missing, or none of it
    assert set(scores) == {"strict", "whisper", "raw"}


def test_ratio_of_the_recording_to_its_parts_alone() -> None:
    alone = ["moja mbili", "nne tano", "sita saba nane tisa"]  # one error
    found = [long("moja mbili sita saba nane tisa")]  # three
    ratio = rate_ratio(found, alone, "wer")
    assert ratio.ratio == pytest.approx(3.0)
    assert ratio.interval95[0] <= 3 <= ratio.interval95[1]
    assert rate_ratio(found, list(TEXTS), "wer") == Ratio("wer", None, None)
    same = rate_ratio([long(" ".join(alone))], alone, "wer")
    assert same == Ratio("wer", 1.0, (1.0, 1.0))
    assert rate_ratio([long(" ".join(alone))], alone, "cer").ratio == pytest.approx(1.0, abs=0.1)


def test_time_errors_of_the_words_at_the_ends_of_parts() -> None:
    said = ["moja", "mbili", "tatu", "nne", "tano", "sita", "saba", "nane", "tisa"]
    words = tuple(Word(f" {x}", float(i), i + 0.5, 1.0, ()) for i, x in enumerate(said))
    speech_s = ((0.25, 2.5), (3.0, 4.75), (5.0, 8.5))
    found = long(" ".join(said), words=words, speech_s=speech_s)
    assert time_errors([found]) == TimeErrors(
        parts=3,
        starts_found=3,
        median_start_error_s=0.0,  # 0.25, 0, 0
        ends_found=3,
        median_end_error_s=0.0,  # 0, 0.25, 0
    )
    # What is not recognized is not measured: here the first word, and the last of the second part.
    wrong = {0: "kumi", 4: "kumi"}
    heard = tuple(replace(x, text=" " + wrong.get(i, said[i])) for i, x in enumerate(words))
    times = time_errors([replace(found, words=heard), long("")])
    assert times is not None
    assert (times.starts_found, times.ends_found, times.parts) == (2, 2, 3)
    assert time_errors([long("")]) is None
