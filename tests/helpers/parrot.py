"""An engine that repeats what it was given."""

from collections.abc import Sequence

import numpy as np

from mothertongue.decoding.transcript import Clip, Transcript


class Parrot:
    """Says how long each clip is, and hears French where nothing is asked for."""

    def __init__(self, forgets: bool = False) -> None:
        self.calls: list[list[Clip]] = []
        self.forgets = forgets

    def __call__(self, audio: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
        raise AssertionError

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        if not self.forgets:
            self.calls.append(list(clips))
        return [
            Transcript(f"{each.duration_s:.1f}", each.language or "fr", (1,), -0.1)
            for each in clips
        ]
