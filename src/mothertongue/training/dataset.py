"""Utterances as training steps: audio decoded, transcripts tokenized, batched by the plan."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch.utils.data import DataLoader, Dataset

from mothertongue.batches import MicroBatch, Step, choose_clips, context_s, plan_epoch
from mothertongue.errors import ConfigError, DataError, MothertongueError
from mothertongue.features import Batch, collate, load_clip
from mothertongue.manifest import Utterance
from mothertongue.tokens import MAX_LABEL_TOKENS, Tokens
from mothertongue.training.config import TrainConfig


class StepDataset(Dataset[list[Batch] | MothertongueError]):
    """Step k of a run as its micro-batches; a pure function of the data, the settings and k."""

    def __init__(
        self, root: Path, utterances: Sequence[Utterance], tokens: Tokens, config: TrainConfig
    ) -> None:
        """`root` is where audio that is not absolute lies.

        Raises DataError where there is nothing to train on or a transcript does not fit,
        ConfigError where a language has no token or a temperature but no second language.
        """
        if not utterances:
            raise DataError(f"{root}: no utterance in split 'train'; see mothertongue prepare")
        self.root, self.utterances, self.end, self.config = root, utterances, tokens.end, config
        self.languages = [each.language for each in utterances]
        _refuse_idle_temperature(set(self.languages), config)
        self.labels = [tokens.label(each.text, each.language) for each in utterances]
        _refuse_long(utterances, self.labels)
        self.contexts_s = [context_s(each.duration_s, config.context) for each in utterances]
        self._planned: tuple[int, list[Step]] = (0, self._plan(0))
        self.steps_per_epoch = len(self._planned[1])  # of every epoch: see plan_epoch

    def __len__(self) -> int:
        return self.steps_per_epoch * self.config.epochs

    def __getitem__(self, step: int) -> list[Batch] | MothertongueError:
        """The micro-batches of a step, or the fault of its audio: a worker cannot raise it."""
        epoch, index = divmod(step, self.steps_per_epoch)
        if self._planned[0] != epoch:
            self._planned = (epoch, self._plan(epoch))
        try:
            return [self._batch(micro_batch) for micro_batch in self._planned[1][index]]
        except MothertongueError as error:
            return error

    def steps_from(self, step: int) -> Iterator[list[Batch]]:
        """The micro-batches of each step from `step` on, decoded ahead by the workers."""
        loader = DataLoader(
            self,
            batch_size=None,
            sampler=range(step, len(self)),
            num_workers=self.config.workers,
            collate_fn=_as_is,
        )
        for batches in loader:
            if isinstance(batches, MothertongueError):
                raise batches
            yield batches

    def _plan(self, epoch: int) -> list[Step]:
        config = self.config
        clips = choose_clips(
            self.languages, config.language_temperature, seed=config.seed, epoch=epoch
        )
        share = config.full_context_share if config.context == "bucket" else 0.0
        return plan_epoch(
            clips,
            self.contexts_s,
            config.batch_size,
            full_context_share=share,
            seed=config.seed,
            epoch=epoch,
        )

    def _batch(self, micro_batch: MicroBatch) -> Batch:
        chosen = [self.utterances[i] for i in micro_batch.indices]
        return collate(
            [each.id for each in chosen],
            [load_clip(self.root, each) for each in chosen],
            [self.labels[i] for i in micro_batch.indices],
            micro_batch.context_s,
            self.end,
        )


def _as_is(batches: list[Batch]) -> list[Batch]:
    return batches


def _refuse_idle_temperature(languages: set[str], config: TrainConfig) -> None:
    if config.language_temperature != 1 and len(languages) == 1:
        raise ConfigError(
            f"train.language_temperature={config.language_temperature:g} has no effect: all "
            f"training data is in {', '.join(languages)}, expected several languages; remove it"
        )


def _refuse_long(utterances: Sequence[Utterance], labels: Sequence[Sequence[int]]) -> None:
    long = [
        f"  {each.id}: {len(label)} label tokens"
        for each, label in zip(utterances, labels, strict=True)
        if len(label) > MAX_LABEL_TOKENS
    ]
    if long:
        raise DataError(
            f"{len(long)} transcripts do not fit Whisper's {MAX_LABEL_TOKENS} label tokens; cut "
            "them, or let mothertongue prepare reject them:\n" + "\n".join(long[:20])
        )
