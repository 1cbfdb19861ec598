"""Test the spans of recordings whose words are known, recognized with errors that are known.

Every case is judged by the same rules: spans are in order, begin and end in true pauses, and hold
exactly the words that are said in their time.
"""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from hearing import OTHER, badly, sentence
from narrator import Narrator, Recognize, Recording, narrate

from mothertongue.inference.alignment.evidence import Evidence
from mothertongue.inference.alignment.pauses import Loudness, Sound, sound_of
from mothertongue.inference.alignment.spans import Limits, Rest, Span, choose, rests
from mothertongue.inference.alignment.units import (
    HeardWord,
    heard_words,
    in_one_script,
    text_of,
    units_of,
)
from mothertongue.inference.speech_detection import everything
from mothertongue.inference.transcribe import transcribe_samples

LIMITS = Limits(max_s=30.0, max_tokens=10_000, least=0.5)
SENTENCES = [sentence(seed, num_words=6 + seed % 5) for seed in range(30)]


def misread(word: str, number: int) -> str:
    """Recognize a word with a quarter of its letters wrong."""
    return badly(word, number).replace(" ", "")


def aligned(
    recording: Recording, text: str, recognize: Recognize = misread, limits: Limits = LIMITS
) -> tuple[list[tuple[Span, str]], list[tuple[Rest, str]]]:
    """Return the spans and the rests with their texts."""
    engine = Narrator(recording, recognize)
    found = transcribe_samples(engine, recording.samples_N, everything, "sw", "full", True)
    words = [word for segment in found.segments for word in segment.words or ()]
    units, sound = units_of(text, "sw"), sound_in(recording)
    evidence = Evidence(units, heard_words(words), sound)
    spans = choose(evidence, sound, [3] * len(units), limits, recording.duration_s)
    left = rests(spans, len(units), sound, recording.duration_s)
    return (
        [(each, text_of(text, units[each.first : each.last])) for each in spans],
        [
            (each, text_of(text, units[each.first : each.last]) if each.last > each.first else "")
            for each in left
        ],
    )


def sound_in(recording: Recording) -> Sound:
    loudness = Loudness()
    loudness.add(recording.samples_N)
    return sound_of(loudness.levels())


def judge(recording: Recording, spans: Sequence[tuple[Span, str]], said: Sequence[str]) -> None:
    """Fail unless each span holds whole phrases and the words that are said in them.

    `said`: what the text has for each phrase.
    """
    pauses = [recording.pause_before(i) for i in range(len(recording.phrases) + 1)]
    end_s, last = 0.0, 0
    for span, text in spans:
        assert span.start_s >= end_s and span.first >= last
        end_s, last = span.end_s, span.last
        first, after = (
            [i for i, (start_s, stop_s) in enumerate(pauses) if start_s <= time_s <= stop_s]
            for time_s in (span.start_s, span.end_s)
        )
        assert first and after, (span, "does not begin and end in a pause")
        assert text == " ".join(filter(None, said[first[0] : after[0]]))


@pytest.mark.parametrize("seed", range(4))
def test_all_is_kept_though_a_quarter_of_the_letters_is_wrong(seed: int) -> None:
    chosen = random.Random(seed).sample(SENTENCES, 20)
    recording = narrate(chosen, seed)
    spans, left = aligned(recording, " ".join(chosen))
    judge(recording, spans, chosen)
    assert " ".join(text for _, text in spans) == " ".join(chosen)
    assert left == []
    assert all(each.end_s - each.start_s <= 30 and each.agreement > 0.6 for each, _ in spans)


def test_a_span_is_as_long_as_is_asked() -> None:
    recording = narrate(SENTENCES)
    for max_s in (8.0, 15.0):
        limits = Limits(max_s, LIMITS.max_tokens, LIMITS.least)
        spans, _ = aligned(recording, " ".join(SENTENCES), limits=limits)
        judge(recording, spans, SENTENCES)
        lengths_s = [each.end_s - each.start_s for each, _ in spans]
        assert max(lengths_s) <= max_s and np.mean(lengths_s) > 0.5 * max_s


def test_a_label_has_few_enough_tokens() -> None:
    recording = narrate(SENTENCES)
    limits = Limits(30.0, 60, 0.5)  # 20 words of 3 tokens
    spans, left = aligned(recording, " ".join(SENTENCES), limits=limits)
    judge(recording, spans, SENTENCES)
    assert max(each.last - each.first for each, _ in spans) <= 20
    assert left == []


def test_speech_without_text_is_left() -> None:
    extra = [sentence(100 + seed, OTHER) for seed in range(3)]
    phrases = [*SENTENCES[:8], *extra, *SENTENCES[8:16]]
    recording = narrate(phrases)
    spans, left = aligned(recording, " ".join(SENTENCES[:16]))
    judge(recording, spans, [*SENTENCES[:8], "", "", "", *SENTENCES[8:16]])
    assert " ".join(text for _, text in spans) == " ".join(SENTENCES[:16])
    ((rest, text),) = left
    assert text == ""
    assert recording.pause_before(8)[0] <= rest.start_s <= recording.pause_before(8)[1]
    assert recording.pause_before(11)[0] <= rest.end_s <= recording.pause_before(11)[1]


def test_text_without_speech_is_left() -> None:
    missing = " ".join(sentence(100 + seed, OTHER) for seed in range(3))
    recording = narrate(SENTENCES[:16])
    text = " ".join([*SENTENCES[:8], missing, *SENTENCES[8:16]])
    spans, left = aligned(recording, text)
    judge(recording, spans, SENTENCES[:16])
    ((rest, unspoken),) = left
    assert unspoken == missing
    assert rest.sound_s < 0.1
    assert rest.start_s <= rest.end_s


def test_a_wrong_text_is_left() -> None:
    """In a part of the recording other words are said than its text has."""
    wrong = [sentence(200 + seed, OTHER) for seed in range(4)]
    recording = narrate(SENTENCES[:20])
    said = [*SENTENCES[:8], *wrong, *SENTENCES[12:20]]
    spans, left = aligned(recording, " ".join(said))
    judge(recording, spans, said)
    kept = " ".join(text for _, text in spans)
    assert not any(each in kept for each in wrong)
    assert kept == " ".join([*SENTENCES[:8], *SENTENCES[12:20]])
    ((rest, text),) = left
    assert text == " ".join(wrong)
    assert rest.sound_s == pytest.approx(
        sum(end_s - start_s for p in recording.phrases[8:12] for _, start_s, end_s in p.words),
        rel=0.2,
    )


def test_sentences_that_are_repeated_keep_their_order() -> None:
    phrases = [SENTENCES[i] for i in (0, 1, 2, 1, 3, 1, 1, 4, 0, 5)]
    recording = narrate(phrases)
    limits = Limits(10.0, LIMITS.max_tokens, LIMITS.least)
    spans, left = aligned(recording, " ".join(phrases), limits=limits)
    judge(recording, spans, phrases)
    assert " ".join(text for _, text in spans) == " ".join(phrases)
    assert left == []


def test_words_that_are_lost_or_wrong_move_few_words() -> None:
    """A tenth of the words is lost, another is nonsense, and a quarter of the other letters wrong.

    Cuts may then be a word off: under 2 % of the words are on the wrong side.
    """
    draw = random.Random(0)

    def recognize(word: str, number: int) -> str:
        kind = draw.random()
        return "" if kind < 0.1 else draw.choice(OTHER) * 3 if kind < 0.2 else misread(word, number)

    recording = narrate(SENTENCES)
    limits = Limits(12.0, LIMITS.max_tokens, LIMITS.least)
    spans, _ = aligned(recording, " ".join(SENTENCES), recognize, limits)
    first, phrases = 0, list[range]()
    for each in recording.phrases:
        phrases.append(range(first, first + len(each.words)))
        first += len(each.words)
    wrong = kept = 0
    for span, _ in spans:
        inside = [
            set(words)
            for words, said in zip(phrases, recording.phrases, strict=True)
            if span.start_s < (said.start_s + said.end_s) / 2 < span.end_s
        ]
        units = set(range(span.first, span.last))
        wrong += len(units ^ set().union(*inside))
        kept += len(units)
    assert wrong < 0.02 * kept
    assert kept > 0.7 * first


def test_a_word_that_takes_in_the_time_of_others_ends_where_it_should() -> None:
    """A phrase is not recognized; the time of the word before it lasts until it ends."""
    recording = narrate(SENTENCES[:5])
    assert recording.duration_s < 30  # one piece: the engine knows the next word
    first = sum(len(each.words) for each in recording.phrases[:2])
    lost = range(first, first + len(recording.phrases[2].words))
    text = " ".join(SENTENCES[:5])
    spans, left = aligned(recording, text, lambda word, i: "" if i in lost else word)
    judge(recording, spans, SENTENCES[:5])
    assert [text for _, text in left] == [SENTENCES[2]]


def test_punctuation_that_stands_alone_is_kept() -> None:
    marked = [f"- {each} -" for each in SENTENCES[:8]]
    recording = narrate(SENTENCES[:8])
    spans, left = aligned(recording, " ".join(marked), limits=Limits(9.0, 10_000, 0.5))
    assert " ".join(text for _, text in spans) == " ".join(marked)
    assert left == []


def test_the_least_agreement_decides() -> None:
    recording = narrate(SENTENCES[:10])
    text = " ".join(SENTENCES[:10])
    for least, is_kept in ((0.0, True), (0.6, True), (0.99, False)):
        spans, left = aligned(recording, text, limits=Limits(30.0, 10_000, least))
        assert bool(spans) is is_kept
        assert all(each.agreement >= least for each, _ in spans)
        assert (" ".join(t for _, t in left) == text) is not is_kept
    spans, left = aligned(recording, text, lambda word, _: word, Limits(30.0, 10_000, 0.9))
    assert left == [] and all(each.agreement == 1.0 for each, _ in spans)


def test_a_short_clip_needs_more_agreement() -> None:
    limits = Limits(30.0, 448, 0.5)
    assert [limits.least_of(count) for count in (0, 4, 100, 10_000)] == [1.5, 1.0, 0.6, 0.51]
    assert [Limits(30.0, 448, least).least_of(25) for least in (0.0, 1.0)] == [0.0, 1.0]


@pytest.mark.parametrize("recognized", ["", "zzz"])
def test_a_text_that_fits_nothing_keeps_nothing(recognized: str) -> None:
    recording = narrate(SENTENCES[:6])
    spans, ((rest, text),) = aligned(recording, " ".join(SENTENCES[:6]), lambda *_: recognized)
    assert spans == []
    assert text == " ".join(SENTENCES[:6])
    assert (rest.start_s, rest.end_s) == (0.0, recording.duration_s)


def test_a_text_without_comparable_characters_keeps_nothing() -> None:
    """Han has no letters by its names, so nothing of it can be compared with Latin."""
    recording = narrate(SENTENCES[:2])
    units, sound = units_of("漢字 文", "yue"), sound_in(recording)
    heard = [HeardWord("habari", 0.5, 1.0)]
    evidence = Evidence(*in_one_script(units, heard), sound)
    assert choose(evidence, sound, [1] * len(units), LIMITS, recording.duration_s) == []
