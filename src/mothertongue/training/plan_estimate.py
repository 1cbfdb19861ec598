"""Estimate of a run's time, memory and disk from measurements of a few steps."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mothertongue.experiment.checkpoints import most_copies
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.records import StrategySettings
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.context import FULL_CONTEXT_S
from mothertongue.training.records import Plan

BYTES_PER_WEIGHT = 4  # float32

Pairs = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements of a few steps, and the steps of an epoch to which they are applied."""

    device: str
    precision: str
    trained: int
    parameters: int
    clips: int
    audio_s: float
    step_flops: tuple[float, ...]
    """Operations of every step of the first `planned_epochs`, with nothing stored."""
    step_is_full: tuple[bool, ...]
    """Whether the step runs at 30 s."""
    context_s: int
    """Seconds of context of all clips of an epoch."""
    computed: Pairs
    """(flops, seconds) of the probed steps, with everything computed."""
    read: Pairs
    """(flops, seconds) where the outputs of frozen layers are read; empty without a store."""
    stored_bytes_per_s: int
    """Bytes in the store for a second of context."""
    start_s: float
    validation_clips: int
    """The clips of the validation split; 0 where validations are not counted."""
    validation_clip_s: float
    """Seconds for a clip in mid-training, at the run's context."""
    final_clip_s: float
    """Seconds for a clip after the last step, at 30 s; 0 where that was not probed: at a full
    context it is as in mid-training."""
    micro_batch_size: int
    """Clips that fitted: fewer than were asked for where memory ran out."""
    peak_memory_bytes: int
    free_memory_bytes: int
    full_context_s: int = 0
    """The part of `context_s` in steps at 30 s."""
    planned_epochs: int = 1
    """Epochs that were planned: in a small corpus not every epoch has a step at 30 s."""

    @property
    def steps_per_epoch(self) -> int:
        """The number of steps, the same in each epoch."""
        return len(self.step_flops) // self.planned_epochs

    @property
    def fits(self) -> bool:
        """Return whether there was enough free memory."""
        return self.peak_memory_bytes <= self.free_memory_bytes


def run_s(measured: Measured, config: TrainConfig) -> float:
    """Seconds of a run with its validations."""
    return sum(_epochs_s(measured, config)) + validation_s(measured, config)


def begun_s(measured: Measured, config: TrainConfig, epochs: int) -> float:
    """Return the seconds of the first epochs of a run, each with a validation after it."""
    clips = epochs * config.clips_of(measured.validation_clips)
    return sum(_epochs_s(measured, config)[:epochs]) + clips * measured.validation_clip_s


def estimate(measured: Measured, experiment: Experiment, earlier_epochs: int = 0) -> Plan:
    """Return the plan of an experiment whose settings are settled.

    `earlier_epochs`: those of other runs that have stored outputs of the same frozen layers before.
    """
    config = experiment.train
    epochs = _epochs_s(measured, config, earlier_epochs)
    # The probe takes no average of its few steps.
    ema_bytes = BYTES_PER_WEIGHT * measured.trained if config.ema is not None else 0
    peak_bytes = measured.peak_memory_bytes + ema_bytes
    return Plan(
        name=experiment.name,
        base=experiment.base,
        strategy=StrategySettings(**experiment.strategy.model_dump(mode="json")),
        batch_size=config.batch_size,
        device=measured.device,
        precision=measured.precision,
        trainable_parameters=measured.trained,
        parameters=measured.parameters,
        clips=measured.clips,
        audio_s=measured.audio_s,
        epochs=config.num_epochs,
        steps_per_epoch=measured.steps_per_epoch,
        steps_at_30_s=sum(measured.step_is_full) / measured.planned_epochs,
        tflop_per_epoch=sum(measured.step_flops) / measured.planned_epochs / 1e12,
        start_s=measured.start_s,
        first_epoch_s=epochs[0],
        last_epoch_s=epochs[-1],
        training_s=sum(epochs),
        validation_split_s=split_s(measured),
        validation_s=validation_s(measured, config),
        peak_memory_bytes=peak_bytes,
        free_memory_bytes=measured.free_memory_bytes,
        fits=peak_bytes <= measured.free_memory_bytes,
        micro_batch_size=measured.micro_batch_size,
        memory_ran_out=measured.micro_batch_size < config.largest_micro_batch,
        disk_bytes=_copies(measured, config) * BYTES_PER_WEIGHT * measured.trained,
        prefix_cache_bytes=stored_bytes(measured, config),
    )


def _copies(measured: Measured, config: TrainConfig) -> int:
    saves = config.num_saves(measured.steps_per_epoch)
    return most_copies(saves, config.ema is not None, config.average_last or 0)


def _epochs_s(measured: Measured, config: TrainConfig, earlier: int = 0) -> list[float]:
    return [epoch_s(measured, config, earlier + epoch) for epoch in range(config.num_epochs)]


def epoch_s(measured: Measured, config: TrainConfig, epoch: int) -> float:
    """Seconds of an epoch: each step's, interpolated by its operations from the measured steps.

    Where the outputs of frozen layers are stored, some steps read them; see `read_shares`.
    """
    flops = np.array(measured.step_flops)
    computed_s = _interpolated(flops, measured.computed)
    if not measured.read:
        return float(computed_s.sum()) / measured.planned_epochs
    read_s, shares = _interpolated(flops, measured.read), read_shares(measured, config, epoch)
    return float((shares * read_s + (1 - shares) * computed_s).sum()) / measured.planned_epochs


def read_shares(measured: Measured, config: TrainConfig, epoch: int) -> "np.ndarray[Any, Any]":
    """Return the probability of each step to read stored outputs in an epoch.

    It does if all of its clips were seen at the same context before, and found room in the store.
    Each epoch draws anew which clips a step has, and which steps run at 30 s.
    """
    share, clips = _full_share(config), measured.clips / measured.steps_per_epoch
    seen = np.where(measured.step_is_full, 1 - (1 - share) ** epoch, 1 - share**epoch)
    found: np.ndarray[Any, Any] = (seen * _room(measured, config, epoch)) ** clips
    return found


def validation_s(measured: Measured, config: TrainConfig) -> float:
    """Seconds of all validations in mid-training and of those after the last step."""
    validations = config.num_validations(measured.steps_per_epoch)
    clips = config.clips_of(measured.validation_clips)
    mid_training_s = validations * clips * measured.validation_clip_s
    is_decoded_again = config.decodes_best_again(measured.validation_clips)
    averages = (config.ema is not None) + (config.average_last is not None)
    return mid_training_s + (is_decoded_again + averages) * split_s(measured)


def split_s(measured: Measured) -> float:
    """Seconds of decoding the whole validation split at 30 s."""
    return measured.validation_clips * (measured.final_clip_s or measured.validation_clip_s)


def stored_bytes(measured: Measured, config: TrainConfig) -> int:
    """Return the bytes that a run stores, as far as there is room."""
    if not measured.read:
        return 0
    needed = _needed_bytes(measured, config, config.num_epochs)
    return min(round(needed), int(config.prefix_cache_gb * 1e9))


def _needed_bytes(measured: Measured, config: TrainConfig, epochs: int) -> float:
    """Return the bytes of all that so many epochs compute.

    That is each clip at its own context, and at 30 s once it was in a step at 30 s, which each
    epoch draws anew.
    """
    share, full_s = _full_share(config), measured.full_context_s
    cut_s = (measured.context_s - full_s) * _epochs_stored(1 - share, epochs)
    # Clips that are 30 s long themselves are stored once.
    most_s = max(full_s, FULL_CONTEXT_S * measured.clips)
    stored_s = cut_s + min(full_s * _epochs_stored(share, epochs), most_s)
    return measured.stored_bytes_per_s * stored_s


def _room(measured: Measured, config: TrainConfig, epochs: int) -> float:
    """Return the share of what so many epochs compute that finds room in the store."""
    needed = _needed_bytes(measured, config, epochs)
    return min(1.0, config.prefix_cache_gb * 1e9 / needed) if needed else 1.0


def _full_share(config: TrainConfig) -> float:
    return config.full_context_share if config.context == "bucket" else 1.0


def _epochs_stored(share: float, epochs: int) -> float:
    """Return how many times what an epoch stores all epochs store, if each draws this share."""
    return (1 - (1 - share) ** epochs) / share if share else 1.0


def _interpolated(flops: "np.ndarray[Any, Any]", pairs: Pairs) -> "np.ndarray[Any, Any]":
    """Seconds of steps of so many operations; the mean where one was measured more than once."""
    known = sorted({each for each, _ in pairs})
    means = [np.mean([taken for at, taken in pairs if at == each]) for each in known]
    return np.interp(flops, known, means)
