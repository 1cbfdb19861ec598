"""The validation split, decoded by the model that is in training.

B clips of one context, S samples (16,000 a second), L label tokens.
"""

import copy
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from mothertongue.data.clips import load_clip
from mothertongue.data.manifest import ROOT, Utterance
from mothertongue.decoding.scorers import scorer_of
from mothertongue.decoding.torch_transcriber import Advance, TorchTranscriber
from mothertongue.decoding.transcript import Clip, DecodeConfig, batches_of_context
from mothertongue.evaluation.evaluate import BLOCK, Evaluation, evaluate, interleaved
from mothertongue.evaluation.forgetting import mean_interval
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.experiment.validation import Validation
from mothertongue.model.context import Context
from mothertongue.model.devices import clips_together, dtype_of
from mothertongue.model.load import Base
from mothertongue.training.batch import Batch, collate
from mothertongue.training.distributed import Ranks
from mothertongue.training.labels import refuse_long_labels
from mothertongue.training.loss import LabelLoss
from mothertongue.training.signals import StopRequest


class SplitValidator:
    """Scores the clips of a split in an order that the run's seed decides.

    The languages of the split take turns in that order, so that the first clips hold as many of
    each. With several ranks, each decodes its share of the clips; the errors are counted over all
    of them.
    """

    def __init__(
        self,
        base: Base,
        utterances: Sequence[Utterance],
        train: TrainConfig,
        decode: DecodeConfig,
        ranks: Ranks,
    ) -> None:
        """`utterances` have absolute audio paths.

        Raises DataError where a transcript does not fit, ConfigError or DataError where a language
        model or hot words do not: a run must not hear of it only after its first epoch.
        """
        refuse_long_labels(
            utterances, [base.tokens.label(each.text, each.language) for each in utterances]
        )
        scorer_of(decode, base.tokens)
        self.base, self.train, self.decode, self.ranks = base, train, decode, ranks
        self.utterances = in_turns(random.Random(train.seed).sample(utterances, len(utterances)))
        self.dtype = dtype_of(train.precision, base.model.device)

    def of_clips(self, count: int) -> "SplitValidator":
        """The validator of the first `count` clips only."""
        fewer = copy.copy(self)
        fewer.utterances = self.utterances[:count]
        return fewer

    @property
    def clips(self) -> int:
        """How many clips there are."""
        return len(self.utterances)

    def __call__(self, stop: StopRequest, clips: int) -> Validation | None:
        """Rates and loss of the first clips at the run's context; None when asked to stop.

        The loss costs a second pass of the encoder: a third of what decoding takes (whisper-base
        untuned, clips of 3 s on one CPU thread).
        """
        return self._agreed(self._mine(stop, self.train.context, clips, with_loss=True))

    def at_full_context(self, stop: StopRequest) -> Validation | None:
        """Rates of all clips at 30 s; None when asked to stop."""
        return self._agreed(self._mine(stop, "full", self.clips, with_loss=False))

    def _agreed(self, mine: "_Share | None") -> Validation | None:
        """The score of what all ranks decoded; None when any of them was asked to stop."""
        found = self.ranks.gathered(mine)
        shares = [each for each in found if each is not None]
        if len(shares) < len(found):
            return None
        tokens = sum(each.tokens for each in shares)
        loss = sum(each.nats for each in shares) / tokens if tokens else None
        return rates(interleaved([each.evaluation for each in shares]), loss)

    def _mine(
        self, stop: StopRequest, context: Context, clips: int, with_loss: bool
    ) -> "_Share | None":
        """This rank's share, every ranks.count-th of the first clips."""

        def advance(count: int) -> None:
            if stop.signal is not None:
                raise _StoppedError

        transcriber = TorchTranscriber(
            self.base.model,
            self.base.tokens,
            context=context,
            config=self.decode,
            dtype=self.dtype,
            advance=advance,
        )
        mine = self.utterances[self.ranks.rank : clips : self.ranks.count]
        try:
            found = evaluate(transcriber, mine, context)
            if not with_loss:
                return _Share(found, 0.0, 0)
            return _Share(found, *self._loss(transcriber, mine, advance))
        except _StoppedError:
            return None

    @torch.inference_mode()
    def _loss(
        self, transcriber: TorchTranscriber, mine: Sequence[Utterance], advance: Advance
    ) -> tuple[float, int]:
        """The summed cross-entropy of these clips' labels in nats, and the number of tokens."""
        model, nats, tokens = transcriber.model, 0.0, 0
        loss = LabelLoss(model, dtype=self.dtype)
        autocast = torch.autocast(
            model.device.type, self.dtype, enabled=self.dtype != torch.float32
        )
        for batch in self._batches(mine):
            together = clips_together(batch.context_s, model.device) or len(batch.ids)
            for part in batch.split(together):
                with autocast:
                    inputs = part.to(model.device).tensors()
                    nats += float(loss(*inputs, rows_N=part.counted_rows(model.device)))
            tokens += batch.counted
            advance(len(batch.ids))
        return nats, tokens

    def _batches(self, utterances: Sequence[Utterance]) -> Iterator[Batch]:
        for first in range(0, len(utterances), BLOCK):
            block = utterances[first : first + BLOCK]
            clips = [Clip(load_clip(ROOT, each), context=self.train.context) for each in block]
            for seconds, indices in batches_of_context(clips, self.decode.batch_size):
                chosen = [block[i] for i in indices]
                yield collate(
                    [each.id for each in chosen],
                    [clips[i].samples_N for i in indices],
                    [self.base.tokens.label(each.text, each.language) for each in chosen],
                    seconds,
                    self.base.tokens.end,
                )


def in_turns(utterances: Sequence[Utterance]) -> list[Utterance]:
    """The utterances with the first of each language in front, then the second of each, ..."""
    before = Counter[str]()
    turns = []
    for each in utterances:
        turns.append(before[each.language])
        before[each.language] += 1
    order = sorted(range(len(utterances)), key=turns.__getitem__)
    return [utterances[i] for i in order]


def rates(evaluation: Evaluation, loss: float | None) -> Validation:
    """WER and CER under the normalizer `strict`, each the mean over the languages."""
    scores = [each.score() for each in _by_language(evaluation)]
    wers, cers = [each.wer for each in scores], [each.cer for each in scores]
    return Validation(
        wer=sum(wers) / len(wers),
        interval95=mean_interval(wers, [each.interval95 for each in scores]),
        cer=sum(cers) / len(cers),
        cer_interval95=mean_interval(cers, [each.cer_interval95 for each in scores]),
        loss=loss,
    )


def _by_language(evaluation: Evaluation) -> list[Evaluation]:
    places: dict[str, list[int]] = {}
    for i, each in enumerate(evaluation.utterances):
        places.setdefault(each.language, []).append(i)
    return [
        Evaluation(
            [evaluation.utterances[i] for i in chosen],
            [evaluation.transcripts[i] for i in chosen],
            evaluation.context,
        )
        for chosen in places.values()
    ]


class _Share(NamedTuple):
    evaluation: Evaluation
    nats: float
    tokens: int


class _StoppedError(Exception):
    pass
