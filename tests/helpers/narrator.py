"""A recording whose words and pauses are known, and an engine that recognizes it with errors."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile as sf

from mothertongue.decoding.transcript import Clip, Transcript
from mothertongue.decoding.word_timestamps import Word

RATE_HZ = 16_000
CHARACTER_S, BETWEEN_S = 0.08, 0.02
PAUSES_S = (0.5, 0.9)
Recognize = Callable[[str, int], str]


@dataclass(frozen=True)
class Said:
    """A phrase of a recording, with the times of its sound in seconds. `text` is what is said."""

    text: str
    start_s: float
    end_s: float
    words: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Recording:
    """Phrases with pauses between them, and their sound, float32 (N,)."""

    phrases: tuple[Said, ...]
    samples_N: np.ndarray

    @property
    def duration_s(self) -> float:
        return len(self.samples_N) / RATE_HZ

    def pause_before(self, number: int) -> tuple[float, float]:
        """Return the times of the pause before a phrase; of its number, the one at the end."""
        start_s = self.phrases[number - 1].end_s if number else 0.0
        is_last = number == len(self.phrases)
        return start_s, self.duration_s if is_last else self.phrases[number].start_s

    def write(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, self.samples_N, RATE_HZ, subtype="FLOAT")
        return path


def narrate(phrases: Sequence[str], seed: int = 0) -> Recording:
    """Return a recording in which every word is noise and every pause is nearly silent."""
    draw = random.Random(seed)
    said, now_s = [], draw.uniform(*PAUSES_S)
    for phrase in phrases:
        words = tuple(_timed(phrase, now_s))
        said.append(Said(phrase, now_s, words[-1][2], words))
        now_s = words[-1][2] + draw.uniform(*PAUSES_S)
    return record(said, now_s, seed)


def record(said: Sequence[Said], duration_s: float, seed: int) -> Recording:
    """Return a recording of phrases with the times of their words."""
    return Recording(tuple(said), _sound(said, duration_s, seed))


def _timed(phrase: str, now_s: float) -> Iterator[tuple[str, float, float]]:
    for word in phrase.split():
        end_s = now_s + CHARACTER_S * len(word)
        yield word, now_s, end_s
        now_s = end_s + BETWEEN_S


def _sound(said: Sequence[Said], duration_s: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    samples_N = 1e-4 * rng.standard_normal(round(duration_s * RATE_HZ))
    for phrase in said:
        for _, start_s, end_s in phrase.words:
            place = slice(round(start_s * RATE_HZ), round(end_s * RATE_HZ))
            samples_N[place] += 0.1 * rng.standard_normal(place.stop - place.start)
    return samples_N.astype(np.float32)


class Narrator:
    """Recognizes the words of one recording. `recognize` gives it a word and its number.

    An empty word is not recognized. As with attention, the time of a word lasts to the next one.
    """

    def __init__(self, recording: Recording, recognize: Recognize = lambda word, _: word) -> None:
        words = [word for phrase in recording.phrases for word in phrase.words]
        self.samples_N = recording.samples_N
        self.words = [
            (recognize(text, number), start_s, end_s)
            for number, (text, start_s, end_s) in enumerate(words)
        ]

    def __call__(self, audio: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
        raise AssertionError

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        return [self._read(clip) for clip in clips]

    def _read(self, clip: Clip) -> Transcript:
        first_s = self._place(clip) / RATE_HZ
        inside = [
            each
            for each in self.words
            if each[0] and first_s <= (each[1] + each[2]) / 2 < first_s + clip.duration_s
        ]
        words = [
            Word(f" {text}", max(0.0, start_s - first_s), end_s - first_s, 0.9, (1,))
            for text, start_s, end_s in inside
        ]
        words = [
            replace(word, end_s=following.start_s) for word, following in pairwise(words)
        ] + words[-1:]
        text = " ".join(text for text, *_ in inside)
        return Transcript(text, clip.language or "sw", (1,), -0.1, words=tuple(words))

    def _place(self, clip: Clip) -> int:
        """Return where in the recording a clip begins: no two samples of noise are the same."""
        head_N = clip.samples_N[:8]
        starts = np.flatnonzero(self.samples_N[: len(self.samples_N) - 7] == head_N[0])
        (found,) = [i for i in starts if np.array_equal(self.samples_N[i : i + 8], head_N)]
        return int(found)
