"""The documents of a run: inputs, lines of training, costs and record. No torch."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from mothertongue.data.languages import Measure, usual_measure
from mothertongue.data.manifest import Split
from mothertongue.data.pseudo_labels import PseudoLabels
from mothertongue.data.replay import Replay
from mothertongue.evaluation.rates import Forgetting, Interval, MeanForgetting
from mothertongue.experiment.validation import Validation
from mothertongue.system.environment import Environment, Versions
from mothertongue.system.json_files import Document, absent

AVERAGES = {
    "ema": "moving average of the weights",
    "last": "mean of the last validations' weights",
}
"""Averages that a run may take as its best weights, by their names in its record."""
FREE = (
    "workers",
    "prefix_cache_gb",
    "trackers",
    "zero",
    "micro_batch_size",
    "graphs",
    "cudnn_attention",
    "gradient_checkpointing",
    "compile",
    "save_every_steps",
)
"""Settings of `train` with which a run may go on, whatever it began with: they change rounding
at most."""
FREE_DECODING = ("batch_size", "graphs")
"""Settings of `evaluate` of the same kind."""


@dataclass(frozen=True, slots=True)
class Identity(Document):
    """identity.json: the inputs of a run."""

    base_digest: str
    manifest_sha256: str
    audio_sha256: str | None = None
    augment_sha256: dict[str, str] = field(default_factory=dict)
    """The digest of each folder that augmentation mixes into clips."""
    evaluate_sha256: dict[str, str] | None = absent()
    """The digests of the language model and the hot words with which validations decode."""
    label_rules: int = 1
    packages: Versions = field(default_factory=dict)
    precision_s: dict[str, float] | None = absent()
    """The seconds by which `precision: auto` chose, of each precision."""
    pseudo_labels: PseudoLabels | None = absent()
    replay: Replay | None = absent()


@dataclass(frozen=True, slots=True)
class MetricsLine:
    """A line of metrics.jsonl: a step, or a validation after it."""

    step: int
    loss: float | None = absent()
    learning_rate: float | None = absent()
    grad_norm: float | None = absent()
    epoch: float | None = absent()
    validation_wer: float | None = absent()
    validation_interval95: Interval | None = absent()
    validation_cer: float | None = absent()
    validation_cer_interval95: Interval | None = absent()
    validation_loss: float | None = absent()

    @property
    def validation(self) -> Validation | None:
        """The validation, if the line is one."""
        return _validation(self, "validation_")


@dataclass(frozen=True, slots=True)
class Cost:
    """The part of state.json, the state of the newest checkpoint, that tells the cost so far."""

    train_s: float
    validate_s: float
    peak_memory_bytes: int


class _Open(BaseModel):
    """Settings of any version: those that are read back are named, and all others are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")


class StrategySettings(_Open):
    """The settings of a strategy."""

    kind: str


class TrainSettings(_Open):
    """The settings of training."""

    seed: int

    @property
    def augment(self) -> dict[str, JsonValue]:
        """The settings of augmentation; earlier versions had none."""
        found: dict[str, JsonValue] = (self.model_extra or {}).get("augment", {})
        return found


class RunSettings(_Open):
    """The settings of a run, as it recorded them."""

    base: str
    language: str
    data: str | list[str]
    select_on: str
    select_by: Literal["auto", "wer", "cer"] = "auto"
    strategy: StrategySettings
    train: TrainSettings

    @property
    def manifests(self) -> list[Path]:
        """All of `data`."""
        return [Path(each) for each in ([self.data] if isinstance(self.data, str) else self.data)]

    @property
    def measure(self) -> Measure:
        """The error rate of `select_by`."""
        return usual_measure(self.language) if self.select_by == "auto" else self.select_by


@dataclass(frozen=True, slots=True)
class PrefixCache:
    """How often clips went through the frozen layers, and how often without any stored output."""

    needed: int
    computed: int


@dataclass(frozen=True, slots=True)
class Rated(Validation):
    """The rates of weights, and the steps that they were averaged over."""

    steps: list[int | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BestOf:
    """The best weights and the averages of a run by name, and the name of those that were taken."""

    taken: str
    models: dict[str, Rated]


@dataclass(frozen=True, slots=True)
class AveragedRun:
    """A run whose weights are part of a mean, and its validation."""

    run: str
    weights_sha256: str
    seed: int
    validation: Validation | None


@dataclass(frozen=True, slots=True)
class AlphaRetention:
    """The forgetting of the weights at one alpha on each set, and the mean of the sets."""

    sets: dict[str, Forgetting]
    mean: MeanForgetting


@dataclass(frozen=True, slots=True)
class AlphaPoint:
    """Weights between the base (alpha 0) and the mean (alpha 1)."""

    alpha: float
    validation: Validation | None
    retention: AlphaRetention | None


@dataclass(frozen=True, slots=True)
class SetDigests:
    """Digests of the manifest and the audio of a set of clips."""

    data_digest: str
    audio_sha256: str


@dataclass(frozen=True, slots=True)
class Spent:
    """The steps of a run, and its seconds of training and validation."""

    steps: int
    train_s: float
    validate_s: float


@dataclass(frozen=True, slots=True)
class AverageRecord:
    """The scores of the runs of a mean, and of each alpha that was tried."""

    runs: list[AveragedRun]
    alpha: float
    alpha_by: Literal["sweep", "given"] | None
    split: Split
    clips: int
    retention_clips: dict[str, int]
    retention_digests: dict[str, SetDigests]
    curve: list[AlphaPoint]
    best_run: str | None
    difference: float | None
    spent: dict[str, Spent] = field(default_factory=dict)
    """The costs of the runs that were averaged and, where these are averages, of their parts; by
    the SHA-256 of their weights. Earlier versions did not record them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord(Document):
    """record.json: a finished run."""

    experiment: RunSettings
    base_digest: str = ""
    trainable_parameters: int
    parameters: int
    steps: int
    stopped_early: bool = False
    best_step: int
    selected_on: Split
    select_by: Measure = "wer"
    best_validation_wer: float | None
    best_validation_interval95: Interval | None
    best_validation_cer: float | None
    best_validation_cer_interval95: Interval | None
    best_validation_loss: float | None = None
    micro_batch_size: int = 0
    train_s: float
    validate_s: float
    last_wall_s: float = 0.0
    peak_memory_bytes: int
    device: str
    devices: int = 1
    environment: Environment
    prefix_cache: PrefixCache | None = None
    best_of: BestOf | None = None
    average: AverageRecord | None = absent()
    pseudo_labels: PseudoLabels | None = None
    precision_s: dict[str, float] | None = None

    @property
    def best(self) -> Validation | None:
        """The validation of the best weights; None without a validation split."""
        return _validation(self, "best_validation_")

    @property
    def is_average_best(self) -> bool:
        """Whether an average of the run's own weights was taken as its best."""
        return self.best_of is not None and self.best_of.taken in AVERAGES

    @property
    def best_weights(self) -> str:
        """The best weights, in words: their step, or the average that was taken."""
        if self.average:  # the sum of all runs' steps is no step of any
            count, alpha = len(self.average.runs), self.average.alpha
            return f"{f'mean of {count} runs' if count > 1 else 'one run'}, alpha {alpha:g}"
        taken = self.best_of.taken if self.best_of else ""
        return AVERAGES.get(taken, f"step {self.best_step:,}")


def _validation(flat: "MetricsLine | RunRecord", prefix: str) -> Validation | None:
    values = {each.name: getattr(flat, prefix + each.name) for each in fields(Validation)}
    return None if values["wer"] is None else Validation(**values)
