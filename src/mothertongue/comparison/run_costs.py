"""Collect the costs of finished runs from their records. No torch."""

from collections.abc import Sequence
from statistics import fmean

from mothertongue.comparison.schema import RunCost
from mothertongue.experiment.records import Cost, RunRecord
from mothertongue.experiment.run_dir import RunDir


def run_cost(
    records: Sequence[RunRecord], tried: Sequence[RunRecord | Cost], first: RunDir
) -> RunCost:
    """Return the cost of the runs of one row, one for each seed.

    `tried` has all runs that were made to choose it: the records of those trained to the end, the
    costs of those that were cut.
    """
    weights = first.best / "trained.safetensors"
    return RunCost(
        trainable_parameters=records[0].trainable_parameters,
        parameters=records[0].parameters,
        steps=[each.steps for each in records],
        step_s=fmean(each.train_s / each.steps for each in records),
        wall_s=fmean(map(wall_s, records)),
        warm_share=fmean(map(_warm_share, records)),
        search_wall_s=sum(map(wall_s, tried)),
        peak_memory_bytes=max(each.peak_memory_bytes for each in records),
        size_bytes=weights.stat().st_size,
        device=records[0].device,
    )


def wall_s(record: RunRecord | Cost) -> float:
    """Return the seconds of training and validation."""
    return record.train_s + record.validate_s


def _warm_share(record: RunRecord) -> float:
    cache = record.prefix_cache
    return max(0.0, 1 - cache.computed / cache.needed) if cache else 0.0
