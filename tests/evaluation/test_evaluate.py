"""Scores of a transcriber that is known: every utterance in its place, under its own language."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from clips import tone, write_clip

from mothertongue.data.manifest import Utterance
from mothertongue.decoding.transcript import Transcript
from mothertongue.evaluation.evaluate import evaluate
from mothertongue.evaluation.normalizers import NORMALIZERS


@pytest.fixture
def corpus(tmp_path: Path) -> list[Utterance]:
    """Six clips of different length in two languages, the longest in the middle."""
    utterances = []
    for i, seconds in enumerate((0.5, 0.9, 2.0, 1.5, 0.7, 1.1)):
        write_clip(tmp_path / f"{i}.wav", tone(seconds))
        facts = {"duration_s": seconds, "split": "test", "speaker": f"s{i % 2}"}
        language = "sw" if i % 2 else "yo"
        audio = str(tmp_path / f"{i}.wav")
        utterances.append(Utterance(str(i), audio, f"{language} {seconds}", language, **facts))
    return utterances


def knows_lengths(audio: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
    return [Transcript(f"{language} {len(x) / 16_000}", str(language), (), 0.0) for x in audio]


def knows_nothing(audio: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
    return [Transcript("", str(language), (), 0.0) for _ in audio]


def test_every_transcript_goes_to_its_utterance(corpus: list[Utterance]) -> None:
    done = evaluate(knows_lengths, corpus, "bucket")
    assert [each.text for each in done.transcripts] == [each.text for each in corpus]
    assert done.score().wer == 0.0
    assert {row.wer for row in done.rows()} == {0.0}
    assert [row.id for row in done.rows()] == [each.id for each in corpus]


def hears_swahili(audio: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
    return [Transcript(str(language), language or "sw", (), 0.0, False, "sw") for _ in audio]


def test_rows_tell_the_language_given_and_the_language_heard(corpus: list[Utterance]) -> None:
    given = list(evaluate(hears_swahili, corpus, "full").rows())
    assert [row.language for row in given] == ["yo", "sw"] * 3
    assert [row.hypothesis for row in given] == ["yo", "sw"] * 3
    assert {row.detected_language for row in given} == {"sw"}
    assert {row.language_source for row in given} == {"given"}


def test_silence_where_there_was_speech_is_all_deletions(corpus: list[Utterance]) -> None:
    scores = evaluate(knows_nothing, corpus, "full").scores()
    assert set(scores) == set(NORMALIZERS)
    raw = scores["raw"]
    assert (raw.wer, raw.deletions, raw.reference_words) == (1.0, 12, 12)
    assert raw.context == "full"
    assert raw.interval95 == (1.0, 1.0)


def test_a_clip_that_is_gone_is_named(corpus: list[Utterance], tmp_path: Path) -> None:
    (tmp_path / "3.wav").unlink()
    with pytest.raises(ValueError, match=r"3\.wav"):
        evaluate(knows_lengths, corpus, "full")
