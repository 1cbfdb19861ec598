"""The result of `mothertongue analyze`: how much tuning changed each layer. No torch."""

from dataclasses import dataclass
from typing import Literal

from mothertongue.data.manifest import Split
from mothertongue.experiment.records import StrategySettings
from mothertongue.model.context import Context
from mothertongue.system.environment import Environment
from mothertongue.system.json_files import Document

Half = Literal["encoder", "decoder"]
Metric = Literal["cka", "svcca", "pwcca"]


@dataclass(frozen=True, slots=True)
class Band:
    """A measure of the runs of a group: its mean, its range, and the value of each run."""

    mean: float
    min: float
    max: float
    values: list[float]


@dataclass(frozen=True, slots=True)
class StateBands:
    """The similarity of a state before and after tuning."""

    state: str
    cka: Band
    svcca: Band
    pwcca: Band

    def band(self, metric: Metric) -> Band:
        """The similarity by one of the metrics."""
        return {"cka": self.cka, "svcca": self.svcca, "pwcca": self.pwcca}[metric]


@dataclass(frozen=True, slots=True)
class HalfSimilarity:
    """The similarity of all states of an encoder or a decoder."""

    n_rows: int
    width: int
    states: list[StateBands]
    heatmap: list[list[float]]
    """CKA of each state before (a row each) and each state after tuning."""
    minibatches: int

    @property
    def names(self) -> list[str]:
        """The names of the states."""
        return [each.state for each in self.states]


@dataclass(frozen=True, slots=True)
class GroupSimilarity:
    """The result of the runs that differ only in their seed."""

    group: str
    runs: list[str]
    train_seeds: list[int]
    strategy: StrategySettings
    data: list[str]
    language: str
    n_utterances: int
    n_usable: int
    n_unusable: int
    utterances: list[str]
    encoder: HalfSimilarity
    decoder: HalfSimilarity | None
    first_below: int | None
    """The lowest state of the encoder whose CKA is below the threshold."""
    freeze_encoder_layers: int

    def half(self, name: Half) -> HalfSimilarity | None:
        """The encoder or the decoder; None where it was not measured."""
        return self.encoder if name == "encoder" else self.decoder


@dataclass(frozen=True, slots=True)
class Analysis(Document):
    """The file that `mothertongue analyze --json` writes."""

    base: str
    base_digest: str
    runs: list[str]
    split: Split
    n_asked: int
    seed: int
    context: Context
    threshold: float
    precision: str
    minibatch_rows: int
    groups: list[GroupSimilarity]
    environment: Environment
