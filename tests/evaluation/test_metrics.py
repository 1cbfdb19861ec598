"""Error rates against two other programs, hand-worked cases, and intervals of known coverage."""

import random
import subprocess
import sys
from dataclasses import replace

import jiwer
import kaldialign
import numpy as np
import pytest
from rows import said

from mothertongue.errors import DataError
from mothertongue.evaluation.metrics import (
    ErrorCounts,
    PairedDifference,
    bootstrap_interval,
    count_errors,
    paired_bootstrap,
    score,
    utterance_errors,
)
from mothertongue.evaluation.normalizers import NORMALIZERS, characters
from mothertongue.evaluation.rates import Score
from mothertongue.system.json_files import built, to_json

# Letters, and marks where the script has them: Latin, Greek, Cyrillic, Armenian, Hebrew, Arabic,
# Devanagari, Malayalam, Thai, Ethiopic, Hangul, Han.
SCRIPTS = (
    "abcçdeéghijklmnñoôprstuvwyz\u0301\u0323",
    "αβγδεζηθικλμνξοπρστυφχψω\u0301",
    "абвгдеёжзійклмнопрстуўфхцчшыьэюяқғң",
    "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ",
    "אבגדהוזחטיכלמנסעפצקרשת\u05b0\u05b7\u05b8",
    "ابتثجحخدذرزسشصضطظعغفقكلمنهوي\u064e\u064f\u0650",
    "अआइउएकखगघचजटडतदनपबमयरलवशसह\u093e\u093f\u0940\u0941\u094b\u094d\u0902",
    "അആഇഉഎകഗചജടതനപമയരലവശസഹളഴ\u0d3e\u0d3f\u0d40\u0d41\u0d4d",
    "กขคงจชดตทนบปพมยรลวสหอ\u0e31\u0e34\u0e35\u0e48\u0e49",
    "ሀለመሰረሸቀበተነአከወዘየደገጠፈ",
    "가나다라마바사아자차카타파하국말한",
    "人大天子日月水火山川田中小上下",
)
WITHOUT_WORD_SPACES = (8, 11)  # Thai and Chinese, whose spaces CER leaves out


def random_pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Sentences of every script in turn and a garbled copy of each; some of either are empty."""
    draw = random.Random(seed)
    pairs = []
    for number in range(count):
        script = SCRIPTS[number % len(SCRIPTS)]
        vocabulary = ["".join(draw.choices(script, k=draw.randint(1, 6))) for _ in range(12)]
        reference = draw.choices(vocabulary, k=draw.randint(0, 10))
        heard = [draw.choice(vocabulary) if draw.random() < 0.2 else word for word in reference]
        hypothesis = [word for word in heard if draw.random() > 0.15]
        hypothesis += draw.choices(vocabulary, k=draw.choice((0, 0, 1, 2)))
        pairs.append((" ".join(reference), " ".join(hypothesis)))
    return pairs


PAIRS = random_pairs(12_000)


def as_jiwer_takes_it(number: int, text: str, unit: str) -> str:
    """The text of pair `number` without the spaces that CER leaves out: jiwer counts them all."""
    is_unspaced = number % len(SCRIPTS) in WITHOUT_WORD_SPACES
    return text.replace(" ", "") if unit == "characters" and is_unspaced else text


@pytest.mark.parametrize(
    ("unit", "tokens", "jiwers"),
    [
        ("words", str.split, jiwer.process_words),
        ("characters", characters, jiwer.process_characters),
    ],
)
def test_counts_agree_with_jiwer_and_kaldialign(unit: str, tokens, jiwers) -> None:
    counts = [count_errors(tokens(r), tokens(h)) for r, h in PAIRS]
    given = [[as_jiwer_takes_it(n, text, unit) for text in pair] for n, pair in enumerate(PAIRS)]
    theirs = jiwers([r for r, _ in given], [h for _, h in given])
    total = sum(counts, start=ErrorCounts(0, 0, 0, 0))
    assert total == ErrorCounts(
        theirs.substitutions, theirs.deletions, theirs.insertions, theirs.hits
    )
    for ours, (reference, hypothesis) in zip(counts, PAIRS, strict=True):
        other = kaldialign.edit_distance(tokens(reference), tokens(hypothesis))
        assert (ours.errors, ours.reference_length) == (other["total"], len(tokens(reference)))


def test_counts_of_a_hand_worked_case() -> None:
    # b became x, d was lost, g came in: no other alignment has as few as three errors.
    counts = count_errors(list("abcdef"), list("axcefg"))
    assert counts == ErrorCounts(substitutions=1, deletions=1, insertions=1, hits=4)
    assert (counts.errors, counts.reference_length, counts.rate) == (3, 6, 0.5)


def test_tokens_are_taken_as_they_are() -> None:
    assert count_errors(["a b", ""], ["a b", ""]) == ErrorCounts(0, 0, 0, 2)


def test_the_rate_without_a_reference_is_the_number_of_insertions() -> None:
    assert count_errors([], []).rate == 0.0
    assert count_errors([], ["a", "b"]).rate == 2.0


MARATHI = "मी आज शाळेत जातो आणि पुस्तक वाचतो मग घरी येतो"
# Four words with another vowel sign, one (यतो) without its own.
MISHEARD = "मि आज शाळोत जाते आणि पुस्तक वाचते मग घरी यतो"


def score_one(reference: str, hypothesis: str, name: str = "strict") -> Score:
    return score([reference], [hypothesis], None, NORMALIZERS[name], "full")


def test_a_wrong_vowel_sign_is_a_wrong_word() -> None:
    strict = score_one(MARATHI, MISHEARD)
    assert (strict.wer, strict.reference_words) == (0.5, 10)
    assert (strict.reference_characters, strict.cer) == (len(MARATHI), 5 / len(MARATHI))


def test_the_whisper_normalizer_hides_wrong_vowel_signs() -> None:
    # Its pieces: म|आज|श ळ त|ज त|आण|प स तक|व चत|मग|घर|य त: 17. Only "य त" became "यत".
    whisper = score_one(MARATHI, MISHEARD, "whisper")
    assert (whisper.substitutions, whisper.deletions, whisper.reference_words) == (1, 1, 17)


def test_a_tone_mark_counts_however_it_is_encoded() -> None:
    assert score_one("ọkọ̀", "o\u0323ko\u0323\u0300").wer == 0.0
    assert score_one("ọkọ̀", "ọkọ́").wer == 1.0
    assert score_one("ọkọ̀", "ọkọ́").cer == 1 / 4


def test_raw_counts_case_and_punctuation_and_strict_does_not() -> None:
    assert score_one("Habari gani?", "habari, gani").wer == 0.0
    assert score_one("Habari gani?", "habari, gani", "raw").wer == 1.0


def test_rates_are_of_the_corpus_not_means_of_utterances() -> None:
    result = score(["a", "a b c"], ["x", "a b c"], None, NORMALIZERS["strict"], "bucket")
    assert (result.wer, result.n, result.context) == (1 / 4, 2, "cut")


@pytest.mark.parametrize("name", list(NORMALIZERS))
def test_errors_of_utterances_add_up_to_the_score(name: str) -> None:
    rows = [said(r, h) for r, h in PAIRS[:300]]
    word_errors, words, character_errors, letters = utterance_errors(rows, NORMALIZERS[name])
    assert {len(each) for each in (word_errors, words, character_errors, letters)} == {300}
    total = score(*zip(*PAIRS[:300], strict=True), None, NORMALIZERS[name], "full")
    edits = total.substitutions + total.deletions + total.insertions
    assert (word_errors.sum(), words.sum()) == (edits, total.reference_words)
    assert letters.sum() == total.reference_characters
    assert character_errors.sum() / letters.sum() == total.cer


def test_errors_of_utterances_keep_their_order_and_are_whole_numbers() -> None:
    rows = [said("Habari gani?", "habari"), said("", "la"), said("moja", "moja")]
    found = utterance_errors(rows, NORMALIZERS["strict"])
    assert [each.tolist() for each in found] == [[1, 1, 0], [2, 0, 1], [5, 2, 0], [11, 0, 4]]
    assert {each.dtype for each in found} == {np.dtype(np.int64)}
    assert [each.tolist() for each in utterance_errors([], NORMALIZERS["strict"])] == [[]] * 4


KEYS = {
    "wer", "cer", "interval95", "n", "substitutions", "deletions", "insertions",
    "reference_words", "normalizer", "context", "cer_interval95", "normalizer_version",
    "interval95_by_speaker", "reference_characters",
}  # fmt: skip


def test_it_is_written_as_plain_values_and_read_again() -> None:
    references, hypotheses = zip(*PAIRS[:200], strict=True)
    speakers = [f"s{number % 7}" for number in range(200)]
    result = score(references, hypotheses, speakers, NORMALIZERS["strict"], "full")
    record = to_json(replace(result, empty_references=0))
    assert set(record) == KEYS
    assert built(to_json(result), "here", Score) == result


def test_equal_seeds_give_equal_intervals() -> None:
    references, hypotheses = zip(*PAIRS[:300], strict=True)
    intervals = {
        score(references, hypotheses, None, NORMALIZERS["raw"], "full", seed).interval95
        for seed in (1, 1, 2)
    }
    assert len(intervals) == 2


def test_an_empty_reference_adds_insertions_and_is_counted() -> None:
    result = score(["...", "a b"], ["hallo there", "a b"], None, NORMALIZERS["strict"], "full")
    assert (result.insertions, result.reference_words, result.wer) == (2, 2, 1.0)
    assert to_json(result)["empty_references"] == 1
    assert all(np.isfinite(result.interval95))


@pytest.mark.parametrize(
    ("speakers", "known"),
    [(None, False), (["a"] * 4, False), (["a", None, None, "a"], False), (["a", "b"] * 2, True)],
)
def test_the_interval_by_speaker_needs_two_of_them(speakers, known: bool) -> None:
    result = score(list("abcd"), list("abxy"), speakers, NORMALIZERS["strict"], "full")
    assert (result.interval95_by_speaker is not None) == known


@pytest.mark.parametrize(
    ("references", "hypotheses", "speakers", "message"),
    [
        ([], [], None, "no utterance"),
        (["a"], [], None, "1 references, 0 hypotheses"),
        (["a"], ["a"], ["s", "t"], "1 references, 2 speakers"),
        (["?!", "."], ["a", "b"], None, "no word in 2 references"),
    ],
)
def test_what_cannot_be_scored_is_a_data_error(references, hypotheses, speakers, message) -> None:
    with pytest.raises(DataError, match=message):
        score(references, hypotheses, speakers, NORMALIZERS["strict"], "full")


@pytest.mark.parametrize(
    ("errors", "lengths", "groups", "message"),
    [
        ([1], [1, 2], None, "errors of 1 utterances, lengths of 2"),
        ([1, 0], [1, 2], ["s"], "1 groups for 2 utterances"),
        ([1, 0], [0, 0], None, "no reference token"),
        ([], [], None, "no reference token"),
    ],
)
def test_counts_that_do_not_fit_are_a_data_error(errors, lengths, groups, message) -> None:
    with pytest.raises(DataError, match=message):
        bootstrap_interval(errors, lengths, groups)


def test_the_interval_agrees_with_kaldialign() -> None:
    references, hypotheses = zip(*((r.split(), h.split()) for r, h in PAIRS[:600]), strict=True)
    theirs = kaldialign.bootstrap_wer_ci(references, hypotheses, replications=5000)
    counts = [count_errors(r, h) for r, h in zip(references, hypotheses, strict=True)]
    low, high = bootstrap_interval(
        [c.errors for c in counts], [c.reference_length for c in counts], resamples=5000
    )
    # Theirs is mean +- 1.96 standard deviations, ours the percentiles: the same in the limit.
    assert (low, high) == pytest.approx((theirs["ci95min"], theirs["ci95max"]), abs=0.002)
    assert high - low > 0.03


def test_large_sets_are_drawn_in_blocks_of_equal_chance(monkeypatch) -> None:
    random_ = np.random.default_rng(0)
    errors, lengths = random_.integers(0, 4, 500), random_.integers(4, 12, 500)
    whole = bootstrap_interval(errors, lengths, resamples=2000)
    monkeypatch.setattr("mothertongue.evaluation.metrics.DRAWS_AT_ONCE", 7 * 500)
    blocks = bootstrap_interval(errors, lengths, resamples=2000)
    assert blocks == pytest.approx(whole, abs=1e-12)


def simulated_coverage(speaker_spread: float, *, by_speaker: bool) -> float:
    """How often the interval holds the true rate, 0.2, over 300 corpora of 30 x 6 utterances."""
    random_ = np.random.default_rng(7)
    speakers = np.repeat(np.arange(30), 6)
    held = 0
    for corpus in range(300):
        shift = random_.uniform(-speaker_spread, speaker_spread, 30)[speakers]
        rates = 0.2 + shift + random_.uniform(-0.05, 0.05, len(speakers))
        lengths = random_.integers(4, 15, len(speakers))
        errors = random_.binomial(lengths, rates)
        groups = speakers.tolist() if by_speaker else None
        low, high = bootstrap_interval(errors, lengths, groups, seed=corpus, resamples=400)
        held += low <= 0.2 <= high
    return held / 300


def test_the_interval_covers_the_true_rate_19_times_in_20() -> None:
    # Three standard errors of 300 trials at 0.95 are 0.038.
    assert simulated_coverage(0.0, by_speaker=False) == pytest.approx(0.95, abs=0.04)


def test_only_drawing_speakers_covers_when_speakers_differ() -> None:
    assert simulated_coverage(0.14, by_speaker=False) < 0.85
    assert simulated_coverage(0.14, by_speaker=True) == pytest.approx(0.95, abs=0.05)


def corpus_of(rates: tuple[float, ...], seed: int) -> tuple[np.ndarray, ...]:
    random_ = np.random.default_rng(seed)
    lengths = random_.integers(4, 15, 300)
    return lengths, *(random_.binomial(lengths, rate) for rate in rates)


def test_identical_systems_do_not_differ() -> None:
    lengths, errors = corpus_of((0.3,), seed=0)
    assert paired_bootstrap(errors, errors, lengths) == PairedDifference(0.0, (0.0, 0.0), 1.0)


def test_a_clearly_better_system_differs() -> None:
    lengths, worse, better = corpus_of((0.3, 0.2), seed=0)
    result = paired_bootstrap(worse, better, lengths, list(range(300)))
    assert result.difference == pytest.approx((better.sum() - worse.sum()) / lengths.sum())
    assert result.interval95[0] < result.difference < result.interval95[1] < 0
    assert result.p == 2 / 1001


def test_the_two_directions_agree() -> None:
    lengths, a, b = corpus_of((0.3, 0.29), seed=3)
    there, back = paired_bootstrap(a, b, lengths), paired_bootstrap(b, a, lengths)
    assert there.difference == -back.difference and there.p == back.p
    assert there.interval95 == pytest.approx([-bound for bound in reversed(back.interval95)])


def test_no_p_is_below_what_the_signs_allow() -> None:
    # Three utterances, each one error better: a sign each, and 2 of 2**3 patterns are as extreme.
    assert paired_bootstrap([5] * 3, [4] * 3, [10] * 3).p == 0.25
    assert paired_bootstrap([5], [4], [10]).p == 1
    # Six utterances of two speakers: two signs.
    assert paired_bootstrap([5] * 6, [4] * 6, [10] * 6, list("aaabbb")).p == 0.5


def test_readings_of_one_sentence_are_drawn_together() -> None:
    """Two sentences that ten people read: one is always right, one always wrong."""
    references, hypotheses = ["ndiyo", "hapana"] * 10, ["ndiyo", "siyo"] * 10
    found = score(references, hypotheses, None, NORMALIZERS["strict"], "full")
    assert found.interval95 == (0, 1)
    apart = [f"{text} {i}" for i, text in enumerate(references)]
    found = score(
        apart, [f"{h} {i}" for i, h in enumerate(hypotheses)], None, NORMALIZERS["strict"], "full"
    )
    assert found.interval95[0] > 0.1


def test_equally_good_systems_differ_by_chance_1_time_in_20() -> None:
    found = 0
    for seed in range(300):
        lengths, a, b = corpus_of((0.3, 0.3), seed)
        found += paired_bootstrap(a, b, lengths, seed=seed, resamples=400).p < 0.05
    assert 0.01 <= found / 300 <= 0.09


def test_is_torch_free() -> None:
    program = (
        "import sys, mothertongue.evaluation.metrics;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
