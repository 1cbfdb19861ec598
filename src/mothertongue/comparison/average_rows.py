"""Build the part of a comparison's result that says what averages of weights gave. No torch.

An average is one model: it has one figure on each set, and no spread over seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mothertongue.comparison.paired_scores import Scored, difference_to_seeds
from mothertongue.comparison.schema import OtherSet, Retention, WeightAverage
from mothertongue.data.languages import Measure
from mothertongue.experiment.records import AverageRecord
from mothertongue.experiment.run_dir import TEST_SCORES


@dataclass(frozen=True, slots=True)
class AverageRow:
    """The average of one strategy in one language: its record and its scores."""

    strategy: str
    run: str
    record: AverageRecord
    found: Mapping[str, Scored]
    """The scores on each set of clips; `test` is the language's own test split."""
    retention: Retention | None
    size_bytes: int


def weight_averages(
    rows: Sequence[AverageRow], seeds: Mapping[str, Mapping[str, Scored]], measure: Measure
) -> list[WeightAverage]:
    """Return the results of the averages; `seeds` has the scores of each strategy's own runs."""
    return [_row(each, seeds[each.strategy][TEST_SCORES], measure) for each in rows]


def _row(row: AverageRow, seeds: Scored, measure: Measure) -> WeightAverage:
    facts, test = row.record, row.found[TEST_SCORES]
    others = {name: each for name, each in row.found.items() if name != TEST_SCORES}
    assert facts.best_run is not None and facts.difference is not None, "a choice is validated"
    return WeightAverage(
        strategy=row.strategy,
        run=row.run,
        runs=[Path(each.run).name for each in facts.runs],
        alpha=facts.alpha,
        alpha_by=facts.alpha_by,
        split=facts.split,
        clips=facts.clips,
        best_run=Path(facts.best_run).name,
        difference=facts.difference,
        retention_sets=list(facts.retention_clips),
        curve=facts.curve,
        scores=test.scores(),
        also={name: OtherSet(each.scores()) for name, each in others.items()},
        retention=row.retention,
        vs_seeds=difference_to_seeds(seeds, test, measure),
        size_bytes=row.size_bytes,
    )
