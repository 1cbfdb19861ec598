"""Utterances as training steps: audio decoded, transcripts tokenized, batched by the plan.

Where the outputs of the encoder's frozen layers are stored, a batch brings them instead of audio.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mothertongue.data.augment.augmenter import Augmenter
from mothertongue.data.clips import Samples, load_clip
from mothertongue.data.manifest import Utterance
from mothertongue.data.replay import replay_steps
from mothertongue.errors import ConfigError, DataError, MothertongueError
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.context import context_s
from mothertongue.model.devices import best_device
from mothertongue.model.features import HOP_SAMPLES, pad_samples
from mothertongue.model.tokenizer import CONTROL_TOKENS, Tokens
from mothertongue.training.batch import GPU_LABEL_STEP, IGNORED, LABEL_STEP, Batch, pad_labels
from mothertongue.training.bucketing import (
    MicroBatch,
    Row,
    Step,
    choose_clips,
    plan_epoch,
    share,
)
from mothertongue.training.decoded_clips import DecodedClips
from mothertongue.training.joining import Joiner, joined_masks, joined_samples
from mothertongue.training.labels import RowLabels
from mothertongue.training.prefix_cache import PrefixStore
from mothertongue.training.replay import choose_replay, mixed, replay_seed
from mothertongue.training.workers import received, start_method, usual_workers

PATIENCE_S = 600  # for the clips of a step from a slow network disk; who takes longer hangs


class StepDataset(Dataset[list[Batch] | MothertongueError]):
    """Step k of a run as its micro-batches; a pure function of the data, the settings and k.

    With several ranks, each has its share of every step.
    """

    def __init__(
        self,
        root: Path,
        utterances: Sequence[Utterance],
        tokens: Tokens,
        config: TrainConfig,
        store: PrefixStore | None = None,
        rank: int = 0,
        ranks: int = 1,
        replayed: Sequence[Utterance] = (),
    ) -> None:
        """`root` is the folder of relative audio paths, `store` has what is computed already.
        `replayed` are the clips that `config.replay` draws from.

        Raises DataError where there is nothing to train on or a transcript does not fit,
        ConfigError where a language has no token or a temperature but no second language, where a
        folder of augmenting sounds has none, or where no clips can be joined.
        """
        if not utterances:
            raise DataError(f"{root}: no utterance in split 'train'; see mothertongue prepare")
        assert bool(replayed) == (config.replay is not None)
        self.root, self.end, self.config = root, tokens.end, config
        self.utterances = [*utterances, *replayed]
        self.num_own = len(utterances)
        self.rank, self.ranks = rank, ranks
        self.workers = usual_workers() if config.workers is None else config.workers
        self.store = store
        self._decoded_clips = DecodedClips(len(self.utterances), self.workers > 0)
        self.has_few_shapes = best_device().type == "cuda"
        """Whether batches are padded so that a GPU sees few shapes; see `_batch`."""
        self.languages = [each.language for each in utterances]
        _refuse_idle_temperature(set(self.languages), config)
        _refuse_idle_weight(utterances, config)
        self._row_labels = RowLabels(self.utterances, tokens, config)
        self.labels = self._row_labels.clips
        assert store is None or not config.changes_clips  # see refuse_stored_changes
        self.augmenter = Augmenter(config.augment, config.seed)
        self.joiner = Joiner(self.utterances, self.num_own, self.labels, self.augmenter, config)
        self._planned: tuple[int, list[Step]] = (0, self.plan(0))
        self.steps_per_epoch = len(self._planned[1])  # of every epoch: see plan_epoch

    def __len__(self) -> int:
        return self.steps_per_epoch * self.config.num_epochs

    def __getitem__(self, step: int) -> list[Batch] | MothertongueError:
        """The micro-batches of a step, or the fault of its audio: a worker cannot raise it."""
        epoch, index = divmod(step, self.steps_per_epoch)
        if self._planned[0] != epoch:
            self._planned = (epoch, self.plan(epoch))
        planned = self._planned[1][index]
        mine = share(planned, self.rank, self.ranks)
        try:
            if not mine:
                return [self._idle(planned, epoch)]
            return [self._batch(micro_batch, epoch) for micro_batch in mine]
        except MothertongueError as error:
            return error

    def steps_from(self, step: int) -> Iterator[list[Batch]]:
        """The micro-batches of each step from `step` on, decoded ahead by the workers."""
        loader = DataLoader(
            self,
            batch_size=None,
            sampler=range(step, len(self)),
            num_workers=self.workers,
            collate_fn=_as_is,
            timeout=PATIENCE_S if self.workers else 0,
            multiprocessing_context=start_method() if self.workers else None,
            pin_memory=best_device().type == "cuda",
        )
        for batches in received(loader) if self.workers else loader:
            if isinstance(batches, MothertongueError):
                raise batches
            yield batches

    def plan(self, epoch: int) -> list[Step]:
        """The steps of an epoch, by indices into the utterances."""
        config, clips, contexts_s = self.config, self.clips(epoch), self.contexts_s(epoch)
        joined = self.joiner.steps(clips, epoch)
        taken = Counter(i for step in joined for each in step for i in each.indices)
        alone = list((Counter(clips) - taken).elements())
        own = self._planned_steps(alone, contexts_s, config.seed, epoch, joined)
        if config.replay is None:
            return own
        others, seed = self.utterances[self.num_own :], replay_seed(config.seed)
        count = replay_steps(config.replay.share, len(own))
        languages, num_clips = [each.language for each in others], count * config.batch_size
        chosen = choose_replay(languages, num_clips, seed=config.seed, epoch=epoch)
        replayed = [self.num_own + i for i in chosen]
        steps = self._planned_steps(replayed, contexts_s, seed, epoch)
        assert len(steps) == count  # whole steps of clips
        return mixed(own, steps, seed=config.seed, epoch=epoch)

    def _planned_steps(
        self,
        clips: Sequence[int],
        contexts_s: Sequence[int],
        seed: int,
        epoch: int,
        joined: Sequence[Step] = (),
    ) -> list[Step]:
        config = self.config
        return plan_epoch(
            clips,
            contexts_s,
            config.size,
            full_context_share=config.full_context_share if config.context == "bucket" else 0.0,
            context_jitter_s=config.context_jitter_s,
            seed=seed,
            epoch=epoch,
            joined=joined,
        )

    def clips(self, epoch: int) -> list[int]:
        """The clips of an epoch, by index, each as often as it is seen."""
        config = self.config
        return choose_clips(
            self.languages, config.language_temperature, seed=config.seed, epoch=epoch
        )

    def contexts_s(self, epoch: int) -> list[int]:
        """The seconds of context that each utterance needs in an epoch."""
        return [
            context_s(self.augmenter.duration_s(each, epoch), self.config.context)
            for each in self.utterances
        ]

    def count_contexts(self, steps: int) -> int:
        """How many different pairs of a clip and a context the first `steps` steps have."""
        per_epoch = self.steps_per_epoch
        pairs = {
            (index, each.context_s)
            for epoch in range(math.ceil(steps / per_epoch))
            for step in self.plan(epoch)[: steps - epoch * per_epoch]
            for each in step
            for index in each.indices
        }
        return len(pairs)

    def _idle(self, step: Step, epoch: int) -> Batch:
        """A batch without counted labels, for a rank without clips that takes part in a step."""
        batch = self._batch(MicroBatch(step[0].context_s, step[0].indices[:1]), epoch)
        return replace(batch, targets_BL=torch.full_like(batch.targets_BL, IGNORED))

    def _batch(self, micro_batch: MicroBatch, epoch: int) -> Batch:
        """A batch of the clips' stored states if all of them are there, else of their samples.

        For one GPU silent rows fill it up to a power of two, as far as a whole batch has rows: what
        is left of a bucket then has one of few shapes.
        """
        batch = replace(self._unfilled(micro_batch, epoch), factors_B=self._factors(micro_batch))
        if not self.has_few_shapes or self.ranks > 1:
            return batch
        most = max(batch.rows, self.config.size.clips_at(micro_batch.context_s))
        return batch.filled(min(most, 1 << (batch.rows - 1).bit_length()))

    def _unfilled(self, micro_batch: MicroBatch, epoch: int) -> Batch:
        stored = self._stored(micro_batch, epoch)
        if stored is not None:
            return stored
        rows = micro_batch.rows
        sounds = [[self._clip(i, epoch) for i in row] for row in rows]
        starts = [self.joiner.starts(row, epoch) for row in rows]
        clips = list(map(joined_samples, sounds, starts))
        if self.store is not None and self._decoded_clips.add(micro_batch.indices, clips):
            # By another run, or by this one before it stopped.
            stored = self._stored(micro_batch, epoch)
        return stored or Batch(
            self._ids(micro_batch),
            pad_samples(clips, micro_batch.context_s),
            *self._labels(micro_batch, epoch),
            keys=self._keys(micro_batch),
            masks_BR4=self._masks(rows, sounds, epoch),
        )

    def _clip(self, index: int, epoch: int) -> Samples:
        """The samples of an utterance as an epoch has them."""
        utterance = self.utterances[index]
        return self.augmenter.samples(load_clip(self.root, utterance), utterance, epoch)

    def _masks(
        self, rows: Sequence[Row], sounds: Sequence[Sequence[Samples]], epoch: int
    ) -> Tensor | None:
        """SpecAugment's masks of each row, on its clips' own frames only; None where it is off."""
        if self.config.augment.spec_augment is None:
            return None
        masks = []
        for row, clips in zip(rows, sounds, strict=True):
            drawn = [
                self.augmenter.masks(len(clip) // HOP_SAMPLES, self.utterances[i], epoch)
                for i, clip in zip(row, clips, strict=True)
            ]
            masks.append(joined_masks(drawn, self.joiner.starts(row, epoch)))
        most = max(map(len, masks))
        padded = [np.pad(each, [(0, most - len(each)), (0, 0)]) for each in masks]
        return torch.from_numpy(np.stack(padded))

    def _factors(self, micro_batch: MicroBatch) -> Tensor | None:
        """The factor of each clip's loss: less than 1 for pseudo-labels; None if it is 1 for all.

        Also for a batch without pseudo-labels: the step of a GPU is captured for one kind of batch.
        """
        weight = self.config.pseudo_label_weight
        if weight in (None, 1):
            return None
        clips = [(i < self.num_own, self.utterances[i]) for i, *_ in micro_batch.rows]
        are_pseudo = [is_own and each.is_pseudo_labelled for is_own, each in clips]
        return torch.tensor([weight if each else 1.0 for each in are_pseudo])

    def _stored(self, micro_batch: MicroBatch, epoch: int) -> Batch | None:
        keys = self._keys(micro_batch)
        if self.store is None or not keys:
            return None
        found: list[Tensor] = []
        for key in keys:
            hidden_TD = self.store.get(key)
            if hidden_TD is None:
                return None
            found.append(hidden_TD)
        padded = self._labels(micro_batch, epoch)
        return Batch(self._ids(micro_batch), None, *padded, torch.stack(found), keys)

    def _keys(self, micro_batch: MicroBatch) -> tuple[str, ...]:
        """The keys of the clips in the store; empty while one of them was never decoded."""
        digests = [self._decoded_clips.digest(i) for i in micro_batch.indices]
        if self.store is None or not all(digests):
            return ()
        return tuple(self.store.key(each, micro_batch.context_s) for each in digests)

    def _ids(self, micro_batch: MicroBatch) -> tuple[str, ...]:
        return tuple("+".join(self.utterances[i].id for i in row) for row in micro_batch.rows)

    def _labels(self, micro_batch: MicroBatch, epoch: int) -> tuple[Tensor, Tensor]:
        """inputs_BL and targets_BL of a batch."""
        labels = [
            self._row_labels.of(row, self.joiner.spans(row, epoch), epoch)
            for row in micro_batch.rows
        ]
        return pad_labels(
            [each.tokens for each in labels],
            self.end,
            GPU_LABEL_STEP if self.has_few_shapes else LABEL_STEP,
            [each.uncounted for each in labels],
        )

    def label_length(self, row: Row) -> int:
        """About how many label tokens a row has; exact for one clip."""
        return sum(len(self.labels[i]) - CONTROL_TOKENS for i in row) + CONTROL_TOKENS


def _as_is(batches: list[Batch]) -> list[Batch]:
    return batches


def _refuse_idle_temperature(languages: set[str], config: TrainConfig) -> None:
    """Raise ConfigError where a temperature should even out a single language."""
    if config.language_temperature != 1 and len(languages) == 1:
        raise ConfigError(
            f"train.language_temperature={config.language_temperature:g} has no effect: all "
            f"training data is in {', '.join(languages)}, expected several languages; remove it"
        )


def _refuse_idle_weight(utterances: Sequence[Utterance], config: TrainConfig) -> None:
    """Raise ConfigError where pseudo-labels should weigh less and there are none."""
    weight = config.pseudo_label_weight
    if weight is not None and not any(each.is_pseudo_labelled for each in utterances):
        raise ConfigError(
            f"train.pseudo_label_weight={weight:g} has no effect: no training clip has a "
            "pseudo-label; add a folder that mothertongue label wrote to data, or remove it"
        )
