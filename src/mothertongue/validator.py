"""The validation split, decoded by the model that is in training."""

import copy
import random
from collections.abc import Sequence
from pathlib import Path

from mothertongue.decoding.torch_engine import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.devices import dtype_of
from mothertongue.evaluation.evaluate import Evaluation, evaluate, interleaved
from mothertongue.manifest import Utterance
from mothertongue.model import Base
from mothertongue.training.config import TrainConfig
from mothertongue.training.ranks import Ranks
from mothertongue.training.stopping import StopRequest
from mothertongue.training.validation import Validation


class SplitValidator:
    """WER on the first clips of a split that was shuffled by the run's seed.

    At the context that the run trains at. Of several ranks, each decodes its share of the clips;
    the errors are counted over all of them.
    """

    def __init__(
        self,
        base: Base,
        utterances: Sequence[Utterance],
        train: TrainConfig,
        decode: DecodeConfig,
        ranks: Ranks,
    ) -> None:
        """Of utterances whose audio is absolute."""
        self.base, self.train, self.decode, self.ranks = base, train, decode, ranks
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
        """The score of the first clips, or None when any rank was asked to stop."""
        found = self.ranks.gathered(self._mine(stop, clips))
        everyone = [each for each in found if each is not None]
        if len(everyone) < len(found):
            return None
        score = interleaved(everyone).score()
        return Validation(score.wer, score.interval95)

    def _mine(self, stop: StopRequest, clips: int) -> Evaluation | None:
        """What this rank decodes: every so-manieth of the first clips."""

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
            return evaluate(
                transcriber,
                Path(),
                self.utterances[self.ranks.rank : clips : self.ranks.count],
                "full" if context == "full" else "cut",
            )
        except _StoppedError:
            return None


class _StoppedError(Exception):
    pass
