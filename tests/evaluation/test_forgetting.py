"""What was forgotten, on rows whose every count is known, and averages of known coverage."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mothertongue.data.manifest import Utterance
from mothertongue.decoding.transcript import Transcript
from mothertongue.errors import DataError
from mothertongue.evaluation.evaluate import Evaluation
from mothertongue.evaluation.forgetting import forgetting, is_hallucination, mean_forgetting
from mothertongue.evaluation.metrics import paired_bootstrap
from mothertongue.evaluation.rates import Change, Forgetting, MeanForgetting, UtteranceRow
from mothertongue.system.json_files import built, to_json

REFERENCES = ["good morning", "how are you", "fine", "thank you"]


def row(number: int, hypothesis: str, detected: str | None = "en", **changes: Any) -> UtteranceRow:
    utterance = Utterance(f"clip{number}", "", REFERENCES[number], "en", 1.0)
    transcript = Transcript(hypothesis, "en", (), -0.5, detected_language=detected)
    return replace(next(Evaluation([utterance], [transcript], "full").rows()), **changes)


def rows(*hypotheses: str, **changes: Any) -> list[UtteranceRow]:
    return [row(number, text, **changes) for number, text in enumerate(hypotheses)]


BASE = rows("Good morning.", "how are you", "fine", "thank ewe")
# A word lost and another wrong; invented; nothing at all; a loop that was cut and heard as Swahili.
TUNED = [
    row(0, "morning"),
    row(1, "how is you"),
    row(2, "fine thank you all"),
    row(3, "...", detected="sw", looped=True),
]


def counted(change: Change) -> tuple[int, int, int]:
    return change.count_before, change.count_after, change.total


def test_every_count_of_a_hand_worked_set() -> None:
    found = forgetting(BASE, TUNED)
    # Errors in words: 1 before; after, 1 + 1 + 3 + 2.
    assert counted(found.wer) == (1, 7, 8)
    # In characters, spaces too: "you" to "ewe" is 3; "good " is 5, "are" to "is" 3, 14, 9.
    assert counted(found.cer) == (3, 5 + 3 + 14 + 9, 12 + 11 + 4 + 9)
    assert found.language_identification is not None
    assert counted(found.language_identification) == (4, 3, 4)
    assert counted(found.hallucinations) == (0, 1, 4)
    assert counted(found.loops) == (0, 1, 4)
    assert counted(found.empty) == (0, 1, 4)
    assert (found.n, found.normalizer, found.language_source) == (4, "strict", "given")


def test_rates_are_the_counts_over_the_total_and_better_is_signed_as_it_is() -> None:
    found = forgetting(BASE, TUNED)
    assert (found.wer.before, found.wer.after, found.wer.difference) == (1 / 8, 7 / 8, 6 / 8)
    heard = found.language_identification
    assert heard is not None
    assert (heard.before, heard.after, heard.difference) == (1.0, 0.75, -0.25)
    back = forgetting(TUNED, BASE)
    assert back.wer.difference == -found.wer.difference
    assert back.wer.interval95 == pytest.approx([-bound for bound in found.wer.interval95[::-1]])


def test_the_normalizer_is_chosen_by_name() -> None:
    # Only "raw" minds the capital and the point, in one word and then in the other.
    found = forgetting(BASE, TUNED, "raw")
    assert (found.normalizer, counted(found.wer)[0], found.empty.count_after) == ("raw", 3, 0)


def test_the_interval_is_of_the_paired_bootstrap() -> None:
    found = forgetting(BASE, TUNED, seed=3, resamples=200)
    expected = paired_bootstrap([0, 0, 0, 1], [1, 1, 3, 2], [2, 3, 1, 2], seed=3, resamples=200)
    assert (found.wer.interval95, found.wer.p) == (expected.interval95, expected.p)
    assert (found.seed, found.resamples) == (3, 200)
    shares = paired_bootstrap([1, 1, 1, 1], [1, 1, 1, 0], [1] * 4, seed=3, resamples=200)
    heard = found.language_identification
    assert heard is not None
    assert (heard.interval95, heard.p) == (shares.interval95, shares.p)


def test_five_readings_of_each_sentence_are_no_surer_than_one() -> None:
    found, once = forgetting(BASE * 5, TUNED * 5), forgetting(BASE, TUNED)
    assert found.n == 20
    assert found.wer.interval95 == pytest.approx(once.wer.interval95)


def test_nothing_forgotten() -> None:
    found = forgetting(BASE, BASE)
    for change in (found.wer, found.cer, found.language_identification, found.loops):
        assert change is not None
        assert (change.difference, change.interval95, change.p) == (0.0, (0.0, 0.0), 1.0)


def test_language_identification_is_none_unless_both_were_asked() -> None:
    silent = [replace(each, detected_language=None) for each in BASE]
    assert forgetting(silent, TUNED).language_identification is None
    assert forgetting(BASE, silent).language_identification is None


def test_it_is_json_and_takes_what_json_gave() -> None:
    found = forgetting(BASE, TUNED)
    record = to_json(found)
    assert record["wer"]["count_after"] == 7
    assert built(record, "here", Forgetting) == found
    again = [built(to_json(each), "here", list[UtteranceRow]) for each in (BASE, TUNED)]
    assert forgetting(*again) == found
    mean = mean_forgetting([found])
    assert built(to_json(mean), "here", MeanForgetting) == mean


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("asante", "thank you very much", True),
        ("asante", "asante sana", False),  # ten characters for six
        ("asante", "asanteasante", True),
        ("asante", "asanteasant", False),
        ("unaenda wapi", "una enda wa pi", False),  # two words more, no letter
        ("สวัสดีครับ", "สวัสดีครับขอบคุณมากครับ", True),  # no spaces to count words by
        ("na", "", False),
        ("", "", False),
        ("", "a", True),
        ("habari ya asubuhi", "thanks for watching", False),  # of about the right length
    ],
)
def test_what_is_a_hallucination(reference: str, hypothesis: str, expected: bool) -> None:
    assert is_hallucination(reference, hypothesis) == expected


def changed(number: int, **changes: Any) -> list[UtteranceRow]:
    return [replace(each, **changes) if i == number else each for i, each in enumerate(TUNED)]


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (TUNED[:3], "4 clips before tuning, 3 after"),
        ([TUNED[1], TUNED[0], *TUNED[2:]], r"row 1: id is 'clip0' before tuning, 'clip1' after"),
        (changed(2, reference="fin"), r"row 3: reference is 'fine' before tuning, 'fin' after"),
        (changed(1, language="sw"), r"row 2: language is 'en' before tuning, 'sw' after"),
        (
            changed(0, language_source="detected"),
            r"row 1: language_source is 'given' before tuning, 'detected' after",
        ),
    ],
)
def test_rows_of_other_clips_are_refused_by_name(after, message: str) -> None:
    with pytest.raises(DataError, match=message):
        forgetting(BASE, after)


def test_no_clips_and_a_mixture_of_given_and_detected_languages_are_refused() -> None:
    with pytest.raises(DataError, match="0 clips before tuning, 0 after"):
        forgetting([], [])
    mixed = [replace(BASE[0], language_source="detected"), *BASE[1:]]
    with pytest.raises(DataError, match="some clips were decoded under a given language"):
        forgetting(mixed, mixed)


def test_in_an_average_every_set_weighs_the_same_and_counts_add_up() -> None:
    small, large = forgetting(BASE[:1], TUNED[:1]), forgetting(BASE * 5, TUNED * 5)
    mean = mean_forgetting([small, large])
    assert (mean.n, mean.sets, mean.wer.sets) == (21, 2, 2)
    assert (mean.wer.count_before, mean.wer.count_after, mean.wer.total) == (5, 36, 42)
    assert mean.wer.before == pytest.approx((0 / 2 + 1 / 8) / 2)
    assert mean.wer.after == pytest.approx((1 / 2 + 7 / 8) / 2)
    assert mean.wer.difference == pytest.approx((1 / 2 + 6 / 8) / 2)
    assert mean.empty.difference == pytest.approx(1 / 8)
    assert mean.loops.count_after == 5


def test_sets_where_the_language_was_not_asked_are_left_out_of_its_average_alone() -> None:
    asked = forgetting(BASE, TUNED)
    silent = replace(asked, language_identification=None)
    mean = mean_forgetting([silent, asked, silent])
    assert (mean.sets, mean.wer.sets) == (3, 3)
    heard = mean.language_identification
    assert heard is not None
    assert (heard.sets, heard.difference, heard.total) == (1, -0.25, 4)
    assert heard.interval95 == pytest.approx(asked.language_identification.interval95)
    assert mean_forgetting([silent]).language_identification is None


def test_sets_that_were_measured_otherwise_are_not_averaged() -> None:
    given = forgetting(BASE, TUNED)
    with pytest.raises(DataError, match="cannot average no set"):
        mean_forgetting([])
    with pytest.raises(DataError, match="cannot average detected strict 2; given strict 2;"):
        mean_forgetting([given, replace(given, language_source="detected")])
    with pytest.raises(DataError, match="one normalizer"):
        mean_forgetting([given, forgetting(BASE, TUNED, "raw")])


def change_of(random: np.random.Generator, clips: int, rates: Sequence[float]) -> Change:
    lengths = random.integers(4, 15, clips)
    before, after = (random.binomial(lengths, rate) for rate in rates)
    paired = paired_bootstrap(before, after, lengths, resamples=300, seed=int(before.sum()))
    total = int(lengths.sum())
    return Change(
        before.sum() / total,
        after.sum() / total,
        paired.difference,
        paired.interval95,
        paired.p,
        int(before.sum()),
        int(after.sum()),
        total,
    )


def test_the_interval_of_the_average_covers_the_true_one_19_times_in_20() -> None:
    """Four languages, of very different size and loss: on average 0.06 is lost."""
    random, template = np.random.default_rng(5), forgetting(BASE, TUNED)
    languages = [(60, (0.2, 0.2)), (120, (0.2, 0.34)), (240, (0.1, 0.15)), (90, (0.3, 0.35))]
    held = 0
    for _ in range(300):
        sets = [replace(template, wer=change_of(random, *language)) for language in languages]
        low, high = mean_forgetting(sets).wer.interval95
        held += low <= 0.06 <= high
    # Three standard errors of 300 trials at 0.95 are 0.038.
    assert held / 300 == pytest.approx(0.95, abs=0.04)


def test_is_torch_free() -> None:
    program = (
        "import sys, mothertongue.evaluation.forgetting;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
