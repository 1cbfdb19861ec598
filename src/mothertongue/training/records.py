"""The results of `plan` and `init`. No torch."""

from dataclasses import dataclass

from pydantic import JsonValue

from mothertongue.experiment.records import StrategySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The costs of an experiment on this machine: parameters, time, memory and disk."""

    name: str
    base: str
    strategy: StrategySettings
    batch_size: int
    device: str
    precision: str
    trainable_parameters: int
    parameters: int
    clips: int
    audio_s: float
    epochs: int
    steps_per_epoch: int
    steps_at_30_s: float
    tflop_per_epoch: float
    start_s: float
    first_epoch_s: float
    last_epoch_s: float
    training_s: float
    validation_split_s: float
    """Seconds of decoding the whole validation split at 30 s."""
    validation_s: float
    peak_memory_bytes: int
    free_memory_bytes: int
    fits: bool
    micro_batch_size: int
    memory_ran_out: bool
    disk_bytes: int
    prefix_cache_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenProposal:
    """The proposed experiment in `file`, with the reasons and the facts by which it was chosen."""

    file: str
    next: str
    """The command to type next."""
    facts: dict[str, str]
    settings: dict[str, JsonValue]
    """The settings that were chosen, by their dotted keys."""
    reasons: dict[str, str]
    """The reasons for these settings, by the same keys."""
    too_large: dict[str, str]
    absent: list[str]
    is_measured: bool
    estimated_s: float
    limit_s: float
    peak_memory_bytes: int
    free_memory_bytes: int
    fits: bool
    experiment: dict[str, JsonValue]
