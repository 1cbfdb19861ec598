"""The validation split, decoded by the model that is in training."""

import copy
import random
from collections.abc import Sequence
from pathlib import Path

from mothertongue.decoding.torch_engine import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.devices import dtype_of
from mothertongue.evaluation.evaluate import evaluate
from mothertongue.manifest import Utterance
from mothertongue.model import Base
from mothertongue.training.config import TrainConfig
from mothertongue.training.stopping import StopRequest
from mothertongue.training.validation import Validation


class SplitValidator:
    """WER on the first clips of a split that was shuffled by the run's seed.

    At the context that the run trains at.
    """

    def __init__(
        self, base: Base, utterances: Sequence[Utterance], train: TrainConfig, decode: DecodeConfig
    ) -> None:
        """Of utterances whose audio is absolute."""
        self.base, self.train, self.decode = base, train, decode
        self.utterances = random.Random(train.seed).sample(utterances, len(utterances))
        self.dtype = dtype_of(train.precision, base.model.device)

    def of_clips(self, count: int) -> "SplitValidator":
        """The same on the first clips only."""
        fewer = copy.copy(self)
        fewer.utterances = self.utterances[:count]
        return fewer

    @property
    def clips(self) -> int:
        """How many there are."""
        return len(self.utterances)

    def __call__(self, stop: StopRequest, clips: int) -> Validation | None:
        """The score of the first clips, or None when asked to stop."""

        def advance(count: int) -> None:
            if stop.signal is not None:
                raise _StoppedError

        context = self.train.context
        transcriber = TorchTranscriber(
            self.base.model,
            self.base.tokens,
            context=context,
            config=self.decode,
            dtype=self.dtype,
            advance=advance,
        )
        try:
            done = evaluate(
                transcriber,
                Path(),
                self.utterances[:clips],
                "full" if context == "full" else "cut",
            )
        except _StoppedError:
            return None
        score = done.score()
        return Validation(score.wer, score.interval95)


class _StoppedError(Exception):
    pass
