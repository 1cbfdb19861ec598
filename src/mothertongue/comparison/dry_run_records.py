"""The result of `compare --dry-run`. No torch."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import JsonValue

from mothertongue.system.json_files import absent


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """A run of a grid with its costs, those of a `Plan`, on this device."""

    ALSO_WRITTEN: ClassVar = ("estimated_hours",)

    name: str
    language: str
    strategy: str
    settings: dict[str, JsonValue]
    seed: int
    is_measured: bool
    """False where the costs are estimated from the shape of the base."""
    steps: int
    trainable_parameters: int
    training_s: float
    validation_s: float
    peak_memory_bytes: int
    fits: bool
    least_s: float | None = absent()
    """The seconds until halving may cut the run: 0 if not begun by then, none if it never may."""

    @property
    def estimated_hours(self) -> float:
        """The hours of training, without validations."""
        return self.training_s / 3600


@dataclass(frozen=True, slots=True)
class CountedAverage:
    """An average of weights with its runs, and the clips that it decodes."""

    ALSO_WRITTEN: ClassVar = ("decoded_clips",)

    language: str
    strategy: str
    runs: int
    models: int
    validation_clips: int
    retention_clips: int

    @property
    def decoded_clips(self) -> int:
        """All clips that are decoded: validation by runs and models, retention by models."""
        per_model = self.validation_clips + self.retention_clips
        return self.runs * self.validation_clips + self.models * per_model


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """The costs of a grid on this device, before it runs."""

    ALSO_WRITTEN: ClassVar = ("total_hours", "validation_hours", "average_clips")

    grid: str
    base: str
    protocol: str
    device: str
    assumed_data: list[str]
    """The languages whose data is not there, and is taken from the rows of the grid."""
    runs: list[PlannedRun]
    averages: list[CountedAverage]
    missing_sets: list[str] | None = absent()
    """The sets of `also` and `retention` that are not there, by their keys in the grid."""

    @property
    def total_hours(self) -> float:
        """The hours of training of all runs, one after the other."""
        return sum(run.estimated_hours for run in self.runs)

    @property
    def validation_hours(self) -> float:
        """The hours of validation of all runs."""
        return sum(run.validation_s for run in self.runs) / 3600

    @property
    def least_hours(self) -> float:
        """The hours of training and validation if halving cuts all that it can."""
        whole_s = sum(r.training_s + r.validation_s for r in self.runs if r.least_s is None)
        return (whole_s + sum(run.least_s or 0 for run in self.runs)) / 3600

    @property
    def average_clips(self) -> int:
        """The clips that all averages decode."""
        return sum(each.decoded_clips for each in self.averages)
