"""Where speech is, in recordings of any length: nothing of it lost, moved or said twice."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mothertongue.data.audio.load import SAMPLE_RATE_HZ, load_audio
from mothertongue.inference import speech_detection as speech
from mothertongue.inference.speech_detection import Piece, Spans, everything, pieces, voiced

DEMO_CLIPS = Path(speech.__file__).parents[1] / "recipes/demo_data"
SECOND = SAMPLE_RATE_HZ


def heard(samples_N: np.ndarray, find: speech.Find, block: int = 100_000) -> list[Piece]:
    blocks = (samples_N[i : i + block] for i in range(0, len(samples_N), block))
    return list(pieces(blocks, find))


def loud(samples_N: np.ndarray) -> Spans:
    """Speech is what is not zero, as a detector without doubts would tell, in spans of <= 30 s."""
    is_loud = np.concatenate([[False], samples_N != 0, [False]])
    edges = np.flatnonzero(np.diff(is_loud.astype(int)))
    return [
        (first, min(first + 30 * SECOND, end))
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
        for first in range(start, end, 30 * SECOND)
    ]


@pytest.fixture(scope="module")
def sentences() -> list[np.ndarray]:
    return [load_audio(path) for path in sorted(DEMO_CLIPS.rglob("*.opus"))[:12]]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0.05, 45), st.floats(0.05, 150)), min_size=0, max_size=8))
def test_every_loud_sample_is_in_one_piece_at_its_place(
    parts: list[tuple[float, float]],
) -> None:
    sounds = [
        part
        for i, (speech_s, silence_s) in enumerate(parts)
        for part in (
            np.full(int(speech_s * SECOND), 0.01 * (i + 1), np.float32),
            np.zeros(int(silence_s * SECOND), np.float32),
        )
    ]
    samples_N = np.concatenate([*sounds, np.zeros(0, np.float32)])
    found = heard(samples_N, loud, block=1_000_000)
    covered_N = np.zeros(len(samples_N), int)
    for piece in found:
        first = round(piece.start_s * SECOND)
        assert 0 < len(piece.samples_N) <= 30 * SECOND
        assert np.array_equal(piece.samples_N, samples_N[first : first + len(piece.samples_N)])
        covered_N[first : first + len(piece.samples_N)] += 1
    assert covered_N.max(initial=0) <= 1
    assert (covered_N[samples_N != 0] == 1).all()


def test_short_pauses_stay_inside_a_piece_and_long_ones_do_not() -> None:
    word = np.full(SECOND, 0.1, np.float32)
    short, long = np.zeros(SECOND // 2, np.float32), np.zeros(3 * SECOND, np.float32)
    found = heard(np.concatenate([word, short, word, long, word]), loud)
    assert [(each.start_s, each.end_s) for each in found] == [(0.0, 2.5), (5.5, 6.5)]


def test_without_a_detector_all_of_it_is_heard(sentences: list[np.ndarray]) -> None:
    samples_N = np.concatenate(sentences * 4)
    found = heard(samples_N, everything)
    assert np.array_equal(np.concatenate([each.samples_N for each in found]), samples_N)
    assert max(len(each.samples_N) for each in found) <= 30 * SECOND


def test_silence_and_noise_are_no_speech() -> None:
    quiet_N = 0.001 * np.random.default_rng(0).standard_normal(200 * SECOND).astype(np.float32)
    assert heard(np.zeros(200 * SECOND, np.float32), voiced) == []
    assert heard(quiet_N, voiced) == []
    assert heard(np.zeros(0, np.float32), voiced) == []


def test_speech_is_found_between_silences(sentences: list[np.ndarray]) -> None:
    """Each sentence where it was put, give or take the padding."""
    places, parts, first = [], [], 0
    for sentence in sentences:
        for part in (np.zeros(4 * SECOND, np.float32), sentence):
            parts.append(part)
            first += len(part)
        places.append(((first - len(sentence)) / SECOND, first / SECOND))
    found = heard(np.concatenate(parts), voiced)
    assert len(found) == len(places)
    for piece, (start_s, end_s) in zip(found, places, strict=True):
        assert start_s - 0.5 <= piece.start_s <= start_s + 1.0
        assert end_s - 1.0 <= piece.end_s <= end_s + 0.5


def test_windows_change_no_more_than_where_pieces_are_cut(
    sentences: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    samples_N = np.concatenate([part for each in sentences * 3 for part in (each, each[:8000] * 0)])
    found = {}
    for seconds in (45.0, 10_000.0):
        monkeypatch.setattr(speech, "WINDOW_S", seconds)
        found[seconds] = sum(len(each.samples_N) for each in heard(samples_N, voiced))
    assert found[45.0] == pytest.approx(found[10_000.0], rel=0.02)
