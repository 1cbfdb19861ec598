"""Measure forgetting of the runs of one strategy: each set before and after, and the mean."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from mothertongue.evaluation.forgetting import (
    Forgetting,
    MeanForgetting,
    forgetting,
    mean_forgetting,
)
from mothertongue.experiment.records import Scores
from mothertongue.system.json_files import read_json

Json = dict[str, Any]
Measured = Forgetting | MeanForgetting
MEASURES = ("wer", "cer", "language_identification", "hallucinations", "loops", "empty")


def retention(names: Iterable[str], base: Path, runs: Sequence[Path]) -> Json | None:
    """Return the forgetting on each of `sets` by name, and their `mean`; None without sets.

    `switched_off`: the clips that runs with adapters off transcribe otherwise than the base.
    `base` and `runs` are folders of scores; `runs` has one for each seed.
    """
    names = list(names)
    if not names:
        return None
    before = {name: _rows(base, f"retention-{name}") for name in names}
    seeds = [
        {name: forgetting(before[name], _rows(run, f"retention-{name}")) for name in names}
        for run in runs
    ]
    means = [mean_forgetting(list(seed.values())) for seed in seeds]
    return {
        "sets": {name: over_seeds([seed[name] for seed in seeds]) for name in names},
        "mean": over_seeds(means),
        "switched_off": _changed_when_disabled(names[0], before[names[0]], runs),
    }


def over_seeds(found: Sequence[Measured]) -> Json:
    """Return the mean of each measure's rates and differences over seeds.

    The bounds of an interval are averaged too: the clips are the same for every seed, so more seeds
    make the draw of the clips no surer.
    """
    result: Json = {"n": found[0].n, "normalizer": found[0].normalizer}
    for name in MEASURES:
        changes = [getattr(each, name) for each in found]
        if None not in changes:
            result[name] = {
                "before": fmean(each.before for each in changes),
                "after": fmean(each.after for each in changes),
                "difference": fmean(each.difference for each in changes),
                "interval95": [fmean(each.interval95[side] for each in changes) for side in (0, 1)],
            }
    return result


def _changed_when_disabled(name: str, before: Sequence[Json], runs: Sequence[Path]) -> Json | None:
    """Return the clips that runs with adapters disabled transcribe differently from the base.

    None where the adapters are not removable.
    """
    if not all((run / f"off-{name}.json").is_file() for run in runs):
        return None
    pairs = [pair for run in runs for pair in zip(before, _rows(run, f"off-{name}"), strict=True)]
    differ = {old["id"] for old, new in pairs if old["hypothesis"] != new["hypothesis"]}
    return {"set": name, "n": len(before), "differ": sorted(differ)}


def _rows(folder: Path, name: str) -> list[Json]:
    rows: list[Json] = read_json(folder / f"{name}.json", Scores)["utterances"]
    return rows
