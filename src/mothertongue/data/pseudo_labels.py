"""Pseudo-labels: texts that a model wrote. They are trained on, and never scored. No torch."""

from dataclasses import dataclass

from pydantic import JsonValue

SCORES_NOTHING = (
    "a model wrote its text (average_log_probability is given), and a score against it would say "
    "nothing about speech; transcribe the clip, or leave it in train"
)


def pseudo_label_faults(value: object, split: str) -> list[str]:
    """Return what is wrong with a pseudo-label's log-probability and split, as text."""
    faults = []
    if not is_log_probability(value):
        faults.append(f"average_log_probability is {str(value)[:40]!r}, expected a number <= 0")
    if split != "train":
        faults.append(f"split is {split!r}, expected train: {SCORES_NOTHING}")
    return faults


def is_log_probability(value: object) -> bool:
    """Return whether a JSON value can be the logarithm of a probability."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e9 < value <= 0


@dataclass(frozen=True, slots=True)
class Labeller:
    """A model that wrote texts: its name, and the SHA-256 of its weights."""

    model: str
    model_sha256: str


@dataclass(frozen=True, slots=True)
class Labelling(Labeller):
    """The result of `label`: the model, how it was asked, and what was kept of it."""

    round: int
    language: str
    settings: dict[str, JsonValue]
    filters: dict[str, JsonValue]
    agree_with: Labeller | None
    recordings: int
    recorded_s: float
    pieces: int
    pieces_s: float
    least_log_probability: float | None


@dataclass(frozen=True, slots=True)
class PseudoLabels:
    """The training clips of a run whose texts a model wrote, and all its training clips."""

    clips: int
    hours: float
    of_clips: int
    of_hours: float
    round: int
    models: list[Labeller]

    def __str__(self) -> str:
        models = ", ".join(each.model for each in self.models) or "a model"
        return (
            f"{self.hours:.2f} of {self.of_hours:.2f} hours to train on have pseudo-labels by "
            f"{models}, round {self.round}"
        )
