"""An engine that knows what is said in a recording, and keeps the decoder's limit of tokens."""

import re
from collections.abc import Sequence

import numpy as np

from mothertongue.decoding.transcript import Clip, Transcript, make_transcript, token_limit
from mothertongue.decoding.word_timestamps import Word
from mothertongue.model.tokenizer import Tokens

RATE_HZ = 16_000
STEPS = 2**21  # float32 tells so many values of [0, 1) apart: 131 s of samples


def ramp(seconds: float) -> np.ndarray:
    """Samples that tell their own place: number i is i / STEPS, exactly. Under 131 s."""
    assert seconds * RATE_HZ < STEPS
    return np.arange(round(seconds * RATE_HZ), dtype=np.float32) / STEPS


class Reader:
    """Reads a text of so many characters a second from clips of `ramp`, in one language."""

    def __init__(self, tokens: Tokens, text: str, characters_per_s: float, language: str) -> None:
        self.tokens, self.text, self.language = tokens, text, language
        self.characters_per_s = characters_per_s
        self.clips: list[Clip] = []

    def __call__(self, audio: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
        raise AssertionError

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        self.clips += clips
        return [self._read(each) for each in clips]

    def place(self, clip: Clip) -> tuple[int, int]:
        """Where in the text the clip begins and ends."""
        first = round(float(clip.samples_N[0]) * STEPS)
        ends = first / RATE_HZ, (first + len(clip.samples_N)) / RATE_HZ
        begin, end = (round(self.characters_per_s * each) for each in ends)
        return begin, end

    def _read(self, clip: Clip) -> Transcript:
        begin, end = self.place(clip)
        ids = self.tokens.encode(self.text[begin:end])
        made = make_transcript(self.tokens, self.language, ids, token_limit(clip.duration_s), -0.1)
        if not clip.word_times:
            return made
        words = tuple(
            Word(
                " " + each.group(),
                each.start() / self.characters_per_s,
                each.end() / self.characters_per_s,
                0.9,
                (1,),
            )
            for each in re.finditer(r"\S+", self.text[begin:end])
        )
        return Transcript(
            made.text,
            self.language,
            made.tokens,
            -0.1,
            made.looped,
            None,
            words,
            is_cut=made.is_cut,
        )
