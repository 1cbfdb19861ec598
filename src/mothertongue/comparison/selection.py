"""Which hyper-parameters are tested: chosen on validation, once, before any test is decoded."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from mothertongue.comparison.grid import Candidate, Grid
from mothertongue.errors import ConfigError
from mothertongue.files import write_json

SELECTION = "selection.json"
TEST = "test"
"""The name of the scores on a language's own test split."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What one strategy is tested with in one language: its values and its runs, one a seed."""

    language: str
    arm: str
    settings: dict[str, Any]
    runs: tuple[str, ...]
    mean_wer: float | None
    """On the split that chooses; None where there was nothing to choose and no such split."""
    out_of: int
    """How many combinations of values there were."""


def choose(candidates: Sequence[Candidate], folder: Path) -> list[Choice]:
    """For each language and strategy the values of the lowest mean WER over seeds.

    Raises ConfigError where there is a choice but no split to make it on.
    """
    groups: dict[tuple[str, str], dict[str, list[Candidate]]] = {}
    for each in candidates:
        values = json.dumps(each.settings, sort_keys=True)
        groups.setdefault((each.language, each.arm), {}).setdefault(values, []).append(each)
    return [_best(list(by_values.values()), folder) for by_values in groups.values()]


def selecting_wer(candidate: Candidate, folder: Path) -> float | None:
    """The WER of the run's best weights on the split that chooses."""
    wer: float | None = read_record(candidate, folder)["best_validation_wer"]
    return wer


def read_record(candidate: Candidate, folder: Path) -> dict[str, Any]:
    """What a finished run left."""
    path = candidate.run_dir(folder).record
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record


def fix(choices: Sequence[Choice], grid: Grid, folder: Path) -> None:
    """Write the choice down before the test split is touched, or hold it against the first one.

    Raises ConfigError when another would now be chosen although the test split was decoded: who
    has seen the test has no second choice. Under the paper's protocol there is nothing to hold.
    """
    path = folder / SELECTION
    before = json.loads(path.read_text("utf-8"))["choices"] if path.is_file() else []
    if grid.protocol == "validation":
        _refuse_second(before, choices, folder)
    now = {(each.language, each.arm) for each in choices}
    # What has left the grid may come back to it, and was tested all the same.
    gone = [old for old in before if (old["language"], old["arm"]) not in now]
    found = [*map(asdict, choices), *gone]
    write_json(path, {"protocol": grid.protocol, "choices": found})


def _best(groups: Sequence[Sequence[Candidate]], folder: Path) -> Choice:
    means = [_mean([selecting_wer(each, folder) for each in group]) for group in groups]
    first = groups[0][0]
    if len(groups) > 1 and None in means:
        raise ConfigError(
            f"{first.language}, {first.arm}: {len(groups)} combinations to choose from, but no "
            "validation split to choose on; add one to the data, or sweep nothing"
        )
    best = min(range(len(groups)), key=lambda i: means[i] or 0.0)
    runs = tuple(each.experiment.name for each in groups[best])
    settings = groups[best][0].settings
    return Choice(first.language, first.arm, settings, runs, means[best], len(groups))


def _mean(wers: Sequence[float | None]) -> float | None:
    known = [wer for wer in wers if wer is not None]
    return fmean(known) if len(known) == len(wers) else None


def _refuse_second(
    before: Sequence[dict[str, Any]], choices: Sequence[Choice], folder: Path
) -> None:
    now = {(each.language, each.arm): each for each in choices}
    for old in before:
        new = now.get((old["language"], old["arm"]))
        scored = [run for run in old["runs"] if (folder / "runs" / run / "eval/test.json").exists()]
        if new and scored and new.settings != old["settings"]:
            raise ConfigError(
                f"{folder}: {old['arm']} in {old['language']} was chosen with {old['settings']} "
                f"and scored on the test split; {new.settings} would be a choice made after seeing "
                "the test. Keep the first grid, name this one anew, or say protocol: paper"
            )
