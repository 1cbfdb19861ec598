"""Build the result of a comparison, of a grid or of single runs, as one JSON value (`schema.py`).

N utterances of a test set. Rates are ratios; times in seconds; `scores` by normalizer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from mothertongue.comparison.average_rows import AverageRow, weight_averages
from mothertongue.comparison.data_facts import data_facts
from mothertongue.comparison.paired_scores import (
    PRIMARY_NORMALIZER,
    Scored,
    mark_fronts,
    with_differences,
)
from mothertongue.comparison.run_costs import run_point
from mothertongue.data.languages import Measure
from mothertongue.experiment.run_dir import TEST_SCORES, environment
from mothertongue.system.json_files import FORMAT_VERSION

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy of one language: its runs, one for each seed, their scores and their cost."""

    strategy: str
    settings: Json
    out_of: int
    """The number of settings that these were chosen from."""
    runs: Sequence[str]
    chosen_at_wer: float | None
    chosen_at_cer: float | None
    found: Mapping[str, Scored]
    """The scores on each set of clips; `test` is the language's own test split."""
    retention: Json | None
    cost: Json


def result(
    *,
    name: str,
    base: str,
    protocol: str,
    reference: str,
    seeds: Sequence[int],
    languages: Mapping[str, Json],
    average: Sequence[Json],
    curves: Sequence[Json],
    cuts: Sequence[Json],
) -> Json:
    """Return the whole result, of `language_result`, `averages` and `point`."""
    return {
        "format_version": FORMAT_VERSION,
        "name": name,
        "base": base,
        "protocol": protocol,
        "chosen_on": "test" if protocol == "paper" else "validation",
        "reference": reference,
        "seeds": list(seeds),
        "normalizer": PRIMARY_NORMALIZER,
        "languages": dict(languages),
        "average": list(average),
        "curves": list(curves),
        "cuts": list(cuts),
        "environment": environment(),
    }


def language_result(
    manifests: Sequence[Path],
    measure: Measure,
    base: Mapping[str, Scored],
    rows: Sequence[Row],
    reference: str,
    doubts: Sequence[str],
    averages: Sequence[AverageRow] = (),
) -> Json:
    """Return the result of one language: its data, the base's scores, and each strategy's.

    `base` has the base model's scores on each set. Without scores on the test split, nothing is
    compared with the base. `averages` of weights are compared with their strategy alone.
    """
    strategies = [_strategy(each) for each in rows]
    mark_fronts(strategies, measure)
    found = {each.strategy: each.found for each in rows}
    return {
        "measure": measure,
        **data_facts(manifests),
        "base": _base(base),
        "strategies": with_differences(strategies, found, reference, base, measure),
        "weight_averages": weight_averages(averages, found, measure),
        "doubts": list(doubts),
    }


def point(language: str, strategy: str, settings: Json, seed: int, run: str, record: Json) -> Json:
    """Return the scores and costs of one run on the split that chooses, from its record."""
    return {
        "language": language,
        "strategy": strategy,
        "settings": settings,
        "seed": seed,
        "run": run,
        **run_point(record),
    }


def averages(languages: dict[str, Json], reference: str) -> list[Json]:
    """Return mean rates over languages, and the changes that Liu et al. 2024 report.

    Languages that are compared by CER have a separate mean. `relative_to_base` and
    `relative_to_reference` are changes of the averages (not averages of the changes),
    `points_to_reference` their difference: the paper gives FFT as the second, BAFT as the third.
    Only strategies that were run in every language of the mean.
    """
    measures = dict.fromkeys(each["measure"] for each in languages.values())
    groups = {
        measure: {name: each for name, each in languages.items() if each["measure"] == measure}
        for measure in measures
    }
    return [
        each for measure, group in groups.items() for each in _averages(group, measure, reference)
    ]


def _averages(languages: dict[str, Json], measure: str, reference: str) -> list[Json]:
    base = fmean(each["base"]["scores"][PRIMARY_NORMALIZER][measure] for each in languages.values())
    means = _means(languages, measure)
    middle = means.get(reference)
    return [
        {
            "strategy": arm,
            "measure": measure,
            "languages": list(languages),
            "rate": mean,
            "base_rate": base,
            "relative_to_base": mean / base - 1,
            "relative_to_reference": mean / middle - 1 if middle else None,
            "points_to_reference": mean - middle if middle else None,
        }
        for arm, mean in means.items()
    ]


def _means(languages: dict[str, Json], measure: str) -> dict[str, float]:
    by_arm: dict[str, list[float]] = {}
    for each in languages.values():
        for row in each["strategies"]:
            by_arm.setdefault(row["strategy"], []).append(
                row["scores"][PRIMARY_NORMALIZER][measure]
            )
    return {arm: fmean(rates) for arm, rates in by_arm.items() if len(rates) == len(languages)}


def _base(found: Mapping[str, Scored]) -> Json | None:
    if TEST_SCORES not in found:
        return None
    others = {name: each for name, each in found.items() if name != TEST_SCORES}
    return _test(found) | {"also": {name: each.scores() for name, each in others.items()}}


def _strategy(row: Row) -> Json:
    others = {name: each for name, each in row.found.items() if name != TEST_SCORES}
    return {
        "strategy": row.strategy,
        "settings": row.settings,
        "out_of": row.out_of,
        "runs": list(row.runs),
        "chosen_at_wer": row.chosen_at_wer,
        "chosen_at_cer": row.chosen_at_cer,
        **_test(row.found),
        "also": {name: {"scores": each.scores()} for name, each in others.items()},
        "retention": row.retention,
        **row.cost,
    }


def _test(found: Mapping[str, Scored]) -> Json:
    return {"scores": found[TEST_SCORES].scores(), "anatomy": found[TEST_SCORES].error_kinds()}
