"""Test the measures of benchmarks/align.py on recordings and cuts that are known."""

import argparse
from pathlib import Path

import pytest
from align import JOINED, Joined, Kept, join_all, judged, kept_of, measured
from hearing import sentence
from narrator import Narrator, Recording, Said, narrate

from mothertongue.data.audio.load import load_audio
from mothertongue.data.manifest import Utterance
from mothertongue.inference.alignment.aligner import Aligner
from mothertongue.inference.engine import Engine
from mothertongue.inference.speech_detection import everything
from mothertongue.model.tokenizer import Tokens

TRUTH = [
    Joined(0, 4, 1.0, 5.0, 1.2, 4.8),
    Joined(4, 10, 6.0, 12.0, 6.1, 11.7),
    Joined(10, 12, 13.0, 15.0, 13.0, 15.0),
]


def test_right_cuts_have_no_errors() -> None:
    found = judged({"a": TRUTH}, {"a": [Kept(0, 4, 1.0, 5.0), Kept(4, 12, 5.9, 15.2)]})
    assert (found["speech_recovered"], found["words_recovered"]) == (1.0, 1.0)
    assert (found["word_errors"], found["kept_words"]) == (0.0, 12)
    assert found["cuts"] == {"between": 4, "inside": 0, "wrong": 0}
    assert found["boundary_error_s"] == {"n": 4, "median": 0.05, "p90": 0.17}
    assert found["outside_gap_s"] == {"n": 4, "median": 0.0, "p90": 0.0}


def test_a_word_on_the_wrong_side_is_counted_for_both_clips() -> None:
    found = judged({"a": TRUTH}, {"a": [Kept(0, 3, 1.0, 5.0), Kept(3, 12, 5.9, 15.2)]})
    assert found["wrong_words"] == 2
    assert found["cuts"] == {"between": 4, "inside": 0, "wrong": 2}


def test_what_is_lost_or_cut_inside_is_counted() -> None:
    found = judged({"a": TRUTH}, {"a": [Kept(0, 6, 1.0, 8.0)]})
    assert found["speech_recovered"] == pytest.approx((3.6 + 1.9) / (3.6 + 5.6 + 2.0), abs=1e-4)
    assert found["words_recovered"] == 0.5
    assert found["word_errors"] == 0.0
    assert found["cuts"] == {"between": 1, "inside": 1, "wrong": 0}


def test_a_time_beyond_the_gap_is_measured() -> None:
    found = judged({"a": TRUTH}, {"a": [Kept(0, 4, 1.0, 6.4)]})
    assert found["outside_gap_s"]["p90"] == pytest.approx(0.9 * 0.3, abs=1e-3)


def test_nothing_kept_has_no_rates() -> None:
    found = judged({"a": TRUTH}, {"a": []})
    assert (found["speech_recovered"], found["word_errors"]) == (0.0, None)
    assert found["boundary_error_s"] == {"n": 0, "median": None, "p90": None}


def test_joined_clips_are_found_again(tmp_path: Path, tokens: Tokens) -> None:
    narrated = [narrate([sentence(seed), sentence(50 + seed)], seed) for seed in range(12)]
    clips = []
    for number, each in enumerate(narrated):
        text = " ".join(phrase.text for phrase in each.phrases)
        path = each.write(tmp_path / f"{number}.wav")
        clips.append(Utterance(str(number), str(path), text, "sw", each.duration_s))
    options = argparse.Namespace(
        out=tmp_path / "out", minutes=1.0, recordings=1, gap=[0.3, 1.5], seed=0
    )
    truth = join_all(clips, options)
    ((name, joined),) = truth.items()
    assert 60 < joined[-1].end_s < 90
    phrases = []
    for clip, each in zip(joined, narrated, strict=False):
        for phrase in each.phrases:
            words = tuple(
                (word, clip.start_s + start_s, clip.start_s + end_s)
                for word, start_s, end_s in phrase.words
            )
            phrases.append(Said(phrase.text, words[0][1], words[-1][2], words))
        assert clip.sound_start_s == pytest.approx(phrases[-2].start_s, abs=0.05)
        assert clip.sound_end_s == pytest.approx(phrases[-1].end_s, abs=0.05)
    samples_N = load_audio(options.out / JOINED / f"{name}.wav")
    narrator = Narrator(Recording(tuple(phrases), samples_N))
    engine = Engine("base", lambda *_: narrator, {}, tokens)
    align = Aligner("narrator", lambda: engine, everything, lambda text, _: len(text) + 5)
    found = measured(truth, "sw", options.out, align)
    assert found["words_recovered"] == 1.0 and found["speech_recovered"] > 0.99
    assert (found["word_errors"], found["cuts"]["wrong"]) == (0.0, 0)
    assert found["outside_gap_s"]["p90"] < 0.05
    assert found["report"]["alignment"]["clips"] == found["kept_clips"] >= 2
    (options.out / JOINED / f"{name}.txt").write_text("another text")
    with pytest.raises(ValueError, match="words after the cuts, 2 before"):
        kept_of(options.out, name)
