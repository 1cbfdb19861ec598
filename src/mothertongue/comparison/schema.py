"""comparison.json, the result of `mothertongue compare`, and its parts. No torch.

Rates are ratios; times in seconds; `Scores` by normalizer.
"""

from dataclasses import dataclass, field

from pydantic import JsonValue

from mothertongue.data.card import Card
from mothertongue.data.languages import Measure
from mothertongue.data.manifest import Split
from mothertongue.evaluation.differences import Difference, Kind
from mothertongue.evaluation.error_analysis import ErrorKinds
from mothertongue.evaluation.rates import Interval, RateChange, Rates
from mothertongue.experiment.records import AlphaPoint
from mothertongue.system.environment import Environment
from mothertongue.system.json_files import Document, absent

BASE_SYSTEM = "base"
"""The name of the base model among the systems of clips and charts."""
Settings = dict[str, JsonValue]
"""Swept settings by their dotted names."""


@dataclass(frozen=True, slots=True)
class SeedScore(Rates):
    """The error rates of a system on a set of clips, over all seeds and for each seed.

    The intervals draw clips; they are no spread over seeds.
    """

    n: int
    words: int
    characters: int
    by_seed: list[float]
    sd_over_seeds: float | None
    cer_by_seed: list[float]
    cer_sd_over_seeds: float | None

    def sd(self, measure: Measure) -> float | None:
        """The standard deviation of a rate over seeds; None of one seed."""
        return self.sd_over_seeds if measure == "wer" else self.cer_sd_over_seeds


Scores = dict[str, SeedScore]


@dataclass(frozen=True, slots=True)
class SystemDifference(Difference):
    """A difference of two systems in the rate `measure`, and what was drawn to test it."""

    measure: Measure
    drawn: Kind
    num_drawn: int
    num_speakers: int
    comparisons: int
    """The number of comparisons that p_holm is adjusted for."""


@dataclass(frozen=True, slots=True)
class Retained:
    """Changes by tuning on n clips, means over seeds."""

    n: int
    normalizer: str
    wer: RateChange
    cer: RateChange
    hallucinations: RateChange
    loops: RateChange
    empty: RateChange
    language_identification: RateChange | None = absent()


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """The clips of a set that runs with adapters disabled transcribe differently from the base."""

    set: str
    n: int
    differ: list[str]


@dataclass(frozen=True, slots=True)
class Retention:
    """Forgetting on each set, and the mean of the sets."""

    sets: dict[str, Retained]
    mean: Retained
    switched_off: SwitchedOff | None
    """None where adapters cannot be disabled."""


@dataclass(frozen=True, slots=True)
class OtherSet:
    """The scores on a further test set."""

    scores: Scores
    vs_base: SystemDifference | None = absent()


@dataclass(frozen=True, slots=True)
class Base:
    """The scores of the untuned model; `also` has those on further test sets."""

    scores: Scores
    anatomy: ErrorKinds
    also: dict[str, Scores]


@dataclass(frozen=True, slots=True)
class Pareto:
    """Whether a strategy is on the Pareto front of its rate and of each cost."""

    parameters: bool
    time: bool


@dataclass(frozen=True, slots=True)
class RunCost:
    """The cost of the runs of one row, one for each seed; times are means."""

    trainable_parameters: int
    parameters: int
    steps: list[int]
    step_s: float
    wall_s: float
    search_wall_s: float
    """The seconds of all runs that were made to choose these, but for cut runs that are gone."""
    peak_memory_bytes: int
    size_bytes: int
    """The weights that trained, on disk."""
    device: str
    warm_share: float = 0.0
    """The share of frozen layers' outputs that other runs had stored, which saved time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRow(RunCost):
    """One strategy in one language: its runs, their scores and their cost."""

    strategy: str
    settings: Settings
    out_of: int
    """The number of settings that these were chosen from."""
    runs: list[str]
    chosen_at_wer: float | None
    chosen_at_cer: float | None = None
    scores: Scores
    anatomy: ErrorKinds
    also: dict[str, OtherSet]
    retention: Retention | None
    pareto: Pareto
    vs_base: SystemDifference | None = None
    vs_reference: SystemDifference | None = None
    vs_best: SystemDifference | None = None


@dataclass(frozen=True, slots=True)
class WeightAverage:
    """The average of the weights of a strategy's runs: one model, with no spread over seeds."""

    strategy: str
    run: str
    runs: list[str]
    alpha: float
    alpha_by: str | None
    split: Split
    clips: int
    best_run: str
    difference: float
    """Its rate minus that of its best run, on the split that chose it."""
    retention_sets: list[str]
    curve: list[AlphaPoint]
    scores: Scores
    also: dict[str, OtherSet]
    retention: Retention | None
    vs_seeds: SystemDifference
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SplitSize:
    """The size of a split of a language's data."""

    clips: int
    hours: float
    speakers: int


@dataclass(frozen=True, slots=True)
class Language:
    """The results of one language."""

    measure: Measure
    """The rate that compares systems."""
    data: dict[str, SplitSize]
    cards: list[Card]
    base: Base | None
    strategies: list[StrategyRow]
    weight_averages: list[WeightAverage] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MeanRow:
    """The mean rate of a strategy over languages, and the changes that Liu et al. 2024 report."""

    strategy: str
    measure: Measure
    languages: list[str]
    rate: float
    base_rate: float
    relative_to_base: float
    relative_to_reference: float | None
    points_to_reference: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """One run on the split that chooses: a point of figures 2, 3, 5 and 6."""

    language: str
    strategy: str
    settings: Settings
    seed: int
    run: str
    split: Split
    measure: Measure
    wer: float | None
    interval95: Interval | None
    cer: float | None
    cer_interval95: Interval | None
    best_step: int
    trainable_parameters: int
    wall_s: float


@dataclass(frozen=True, slots=True)
class Cut:
    """A combination of values that halving did not train to the end, and why."""

    language: str
    strategy: str
    settings: Settings
    run: str
    epoch: int
    measure: Measure
    rate: float
    """The error rate of `measure` on the validation clips after that epoch."""
    best_rate: float
    """The lowest of the values before it, after the same epoch on the same clips."""
    out_of: int
    """How many values of the strategy were compared, this one included."""


@dataclass(frozen=True, slots=True)
class Comparison(Document):
    """comparison.json: all that was measured."""

    name: str
    base: str
    protocol: str
    chosen_on: Split
    reference: str
    seeds: list[int]
    normalizer: str
    languages: dict[str, Language]
    average: list[MeanRow]
    curves: list[Point]
    environment: Environment
    cuts: list[Cut] = field(default_factory=list)
