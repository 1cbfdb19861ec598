"""Collect costs and validation results of finished runs from their records. No torch.

A record is a run's record.json.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from mothertongue.experiment.run_dir import RunDir

Json = dict[str, Any]


def run_cost(records: Sequence[Json], tried: Sequence[Json], first: RunDir) -> Json:
    """Return the cost of the runs of one row, one for each seed.

    `tried` has all runs that were made to choose it: the records of those trained to the end, the
    states of those that were cut.
    """
    weights = first.best / "trained.safetensors"
    return {
        "trainable_parameters": records[0]["trainable_parameters"],
        "parameters": records[0]["parameters"],
        "steps": [each["steps"] for each in records],
        "step_s": fmean(each["train_s"] / each["steps"] for each in records),
        "wall_s": fmean(map(wall_s, records)),
        "warm_share": fmean(map(warm_share, records)),
        "search_wall_s": sum(map(wall_s, tried)),
        "peak_memory_bytes": max(each["peak_memory_bytes"] for each in records),
        "size_bytes": weights.stat().st_size,
        "device": records[0]["device"],
    }


def run_point(record: Json) -> Json:
    """Return one run's result on the split that chooses, a point of figures 2, 3, 5 and 6."""
    return {
        "split": record["selected_on"],
        "measure": record.get("select_by", "wer"),  # runs of before chose by WER
        "wer": record["best_validation_wer"],
        "interval95": record["best_validation_interval95"],
        "cer": record.get("best_validation_cer"),
        "cer_interval95": record.get("best_validation_cer_interval95"),
        "best_step": record["best_step"],
        "trainable_parameters": record["trainable_parameters"],
        "wall_s": wall_s(record),
    }


def wall_s(record: Json) -> float:
    """Return the seconds of training and validation, from a run's record or its state."""
    return float(record["train_s"] + record["validate_s"])


def warm_share(record: Json) -> float:
    """Return the share of frozen layers' outputs that other runs had stored, which saved time."""
    cache = record.get("prefix_cache")  # earlier versions did not count
    return max(0.0, 1 - cache["computed"] / cache["needed"]) if cache else 0.0
