"""Score the runs of a mean, and the points between the base and the mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mothertongue.comparison.grid import TestSet
from mothertongue.data.clip_facts import audio_digest, facts_of
from mothertongue.data.clips import read_split
from mothertongue.data.languages import Measure
from mothertongue.data.manifest import Utterance, data_digest, read_data
from mothertongue.evaluation.evaluate import Evaluation
from mothertongue.evaluation.forgetting import forgetting, mean_forgetting
from mothertongue.evaluation.rates import UtteranceRow
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.records import AlphaPoint, AlphaRetention, SetDigests
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.validation import Validation
from mothertongue.inference.engine import torch_engine
from mothertongue.inference.score_split import Advance, check_unseen, transcribe_split
from mothertongue.model.load import Base
from mothertongue.training.validator import rates

Rows = Mapping[str, Sequence[UtteranceRow]]
BASE_ALPHA = 0.0
ALPHAS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""The alphas that a sweep tries. Wortsman et al. 2022b found the best between 0.5 and 1."""


@dataclass(frozen=True, slots=True)
class Point:
    """A model between the base and the mean. It has its validation, and its transcripts of each
    retention set, in rows of Evaluation.rows()."""

    alpha: float
    validation: Validation | None
    retention: Rows

    def without_rows(self, base: Rows) -> AlphaPoint:
        """Return the point for the record. `retention` compares its rows with those of the base."""
        sets = {name: forgetting(base[name], rows) for name, rows in self.retention.items()}
        kept = AlphaRetention(sets, mean_forgetting(list(sets.values()))) if sets else None
        return AlphaPoint(self.alpha, self.validation, kept)


@dataclass(frozen=True, slots=True)
class Judge:
    """The clips that models are scored on: the clips that choose, and sets of other languages."""

    experiment: Experiment
    chosen_on: Sequence[Utterance]
    retention: Mapping[str, Sequence[Utterance]]
    digests: Mapping[str, SetDigests]

    @classmethod
    def of(
        cls, run_dir: RunDir, experiment: Experiment, retention: Mapping[str, TestSet]
    ) -> "Judge":
        """Return the judge for a run's data and for retention sets that the run has not seen."""
        split = experiment.select_on
        mine = [each for each in read_data(experiment.manifests) if each.split == split]
        sets = {}
        for name, each in retention.items():
            sets[name] = read_split([each.data], each.split, None)
            check_unseen(run_dir, sets[name], each.split)
        digests = {name: digests_of(each) for name, each in retention.items()}
        return cls(experiment, mine, sets, digests)

    def num_clips(self, models: int, points: int) -> int:
        """Return how many clips are decoded: by `models` the split, by `points` the other sets."""
        return models * len(self.chosen_on) + points * sum(map(len, self.retention.values()))

    def validation(self, model: Base, advance: Advance) -> Validation | None:
        """Return the rates of a model, decoded like the best weights of a run: all clips, at 30 s.

        Returns None if no clips choose.
        """
        if not self.chosen_on:
            return None
        return rates(self._transcribe(model, self.chosen_on, advance), None)

    def point(self, model: Base, alpha: float, advance: Advance) -> Point:
        """Score the model at this alpha on all clips and return the point."""
        found = self.validation(model, advance)
        rows = {
            name: list(self._transcribe(model, each, advance).rows())
            for name, each in self.retention.items()
        }
        return Point(alpha, found, rows)

    def _transcribe(
        self, model: Base, utterances: Sequence[Utterance], advance: Advance
    ) -> Evaluation:
        settings = self.experiment
        engine = torch_engine("run", model, settings.train.precision, settings.language)
        return transcribe_split(engine, utterances, "full", settings.evaluate, advance)


def digests_of(scored: TestSet) -> SetDigests:
    """Return the digests of the manifest and the audio of a set: others give other scores."""
    utterances = read_split([scored.data], scored.split, None)
    return SetDigests(data_digest([scored.data]), audio_digest(facts_of(utterances)))


def choose_alpha(points: Sequence[Point], measure: Measure) -> Point:
    """Return the point with the lowest error rate; of equal points, the one nearest to the base."""

    return min(
        points,
        key=lambda each: (each.validation.rate(measure) if each.validation else 0.0, each.alpha),
    )
