"""Build the result of a comparison from the records of its runs, as one JSON value.

N utterances of a test set. Rates are ratios; times in seconds; `scores` by normalizer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from mothertongue.comparison.alike import leak_doubts
from mothertongue.comparison.data_facts import data_facts
from mothertongue.comparison.grid import Candidate, Grid
from mothertongue.comparison.halving import Cut
from mothertongue.comparison.paired_scores import (
    PRIMARY_NORMALIZER,
    Scored,
    mark_fronts,
    read_scores,
    with_differences,
)
from mothertongue.comparison.retention import retention
from mothertongue.comparison.run_costs import run_cost, run_point
from mothertongue.comparison.selection import TEST, Choice, read_record
from mothertongue.experiment.run_dir import RunDir, environment
from mothertongue.system.json_files import FORMAT_VERSION

Json = dict[str, Any]


def comparison(
    grid: Grid,
    candidates: Sequence[Candidate],
    choices: Sequence[Choice],
    cuts: Sequence[Cut],
    folder: Path,
) -> Json:
    """Return all results, under `languages`, `average`, `curves` and `cuts`."""
    languages = {
        name: _language(grid, name, candidates, choices, cuts, folder) for name in grid.languages
    }
    return {
        "format_version": FORMAT_VERSION,
        "name": grid.name,
        "base": grid.base,
        "protocol": grid.protocol,
        "chosen_on": "test" if grid.protocol == "paper" else "validation",
        "reference": grid.reference,
        "seeds": list(grid.seeds),
        "normalizer": PRIMARY_NORMALIZER,
        "languages": languages,
        "average": averages(languages, grid.reference),
        "curves": [_point(each, folder) for each in candidates],
        "cuts": [asdict(each) for each in cuts],
        "environment": environment(),
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


def _language(
    grid: Grid,
    language: str,
    candidates: Sequence[Candidate],
    choices: Sequence[Choice],
    cuts: Sequence[Cut],
    folder: Path,
) -> Json:
    base_scores = folder / "base" / "eval"
    base = {
        name: read_scores([base_scores / language / f"{name}.json"])
        for name in _sets(grid, language)
    }
    chosen = [each for each in choices if each.language == language]
    rows = [_row(grid, each, candidates, cuts, base, folder) for each in chosen]
    measure = grid.measure(language)
    mark_fronts(rows, measure)
    return {
        "measure": measure,
        **data_facts(grid.languages[language].manifests),
        "base": {
            "scores": base[TEST].scores(),
            "anatomy": base[TEST].error_kinds(),
            "also": {name: each.scores() for name, each in base.items() if name != TEST},
        },
        "strategies": with_differences(rows, grid.reference, base, measure),
        "doubts": _doubts(grid, chosen, base, folder),
    }


def _doubts(
    grid: Grid, chosen: Sequence[Choice], base: dict[str, Scored], folder: Path
) -> list[str]:
    """Return the doubts about a language, from its first run's scores: all runs share the clips."""
    names = [*base, *(f"retention-{name}" for name in grid.retention)]
    runs = [RunDir(folder / "runs" / each.runs[0]) for each in chosen[:1]]
    return list(leak_doubts({name: run.evaluation(name) for run in runs for name in names}))


def _row(
    grid: Grid,
    choice: Choice,
    candidates: Sequence[Candidate],
    cuts: Sequence[Cut],
    base: dict[str, Scored],
    folder: Path,
) -> Json:
    evals = [RunDir(folder / "runs" / name).evaluation(TEST).parent for name in choice.runs]
    found = {name: read_scores([each / f"{name}.json" for each in evals]) for name in base}
    return {
        "strategy": choice.arm,
        "settings": choice.settings,
        "out_of": choice.out_of,
        "runs": list(choice.runs),
        "chosen_at_wer": choice.mean_wer,
        "chosen_at_cer": choice.mean_cer,
        "scores": found[TEST].scores(),
        "anatomy": found[TEST].error_kinds(),
        "also": {name: {"scores": each.scores()} for name, each in found.items() if name != TEST},
        "retention": retention(grid.retention, folder / "base" / "eval", evals),
        **_cost(choice, candidates, cuts, folder),
        "found": found,  # for the differences; taken out again
    }


def _cost(
    choice: Choice, candidates: Sequence[Candidate], cuts: Sequence[Cut], folder: Path
) -> Json:
    tried = {
        each.experiment.name: read_record(each, folder)
        for each in candidates
        if (each.language, each.arm) == (choice.language, choice.arm)
    }
    cut = [
        RunDir(folder / "runs" / each.run).read_state()
        for each in cuts
        if (each.language, each.strategy) == (choice.language, choice.arm)
    ]
    records = [tried[name] for name in choice.runs]
    return run_cost(records, [*tried.values(), *cut], RunDir(folder / "runs" / choice.runs[0]))


def _point(candidate: Candidate, folder: Path) -> Json:
    return {
        "language": candidate.language,
        "strategy": candidate.arm,
        "settings": candidate.settings,
        "seed": candidate.seed,
        "run": candidate.experiment.name,
        **run_point(read_record(candidate, folder)),
    }


def _means(languages: dict[str, Json], measure: str) -> dict[str, float]:
    by_arm: dict[str, list[float]] = {}
    for each in languages.values():
        for row in each["strategies"]:
            by_arm.setdefault(row["strategy"], []).append(
                row["scores"][PRIMARY_NORMALIZER][measure]
            )
    return {arm: fmean(rates) for arm, rates in by_arm.items() if len(rates) == len(languages)}


def _sets(grid: Grid, language: str) -> Iterator[str]:
    yield TEST
    for name in grid.languages[language].also:
        yield f"also-{name}"
