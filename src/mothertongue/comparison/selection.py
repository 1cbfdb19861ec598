"""Choose the hyper-parameters to test: once, on validation, before the test is decoded."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from mothertongue.comparison.grid import Candidate, Grid
from mothertongue.comparison.schema import Cut, Settings
from mothertongue.data.languages import Measure
from mothertongue.errors import ConfigError
from mothertongue.experiment.validation import Validation, mean_order
from mothertongue.system.files import write_json
from mothertongue.system.json_files import Document, read_json

SELECTION = "selection.json"


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen values of one strategy in one language, and its runs, one for each seed."""

    language: str
    arm: str
    settings: Settings
    runs: tuple[str, ...]
    measure: Measure
    """The error rate that chooses."""
    mean_wer: float | None
    """The mean WER on the split that chooses; None where there was no choice and no such split."""
    mean_cer: float | None
    out_of: int
    """The number of combinations of values tried, with those that halving cut."""


def choose(candidates: Sequence[Candidate], folder: Path, cuts: Sequence[Cut] = ()) -> list[Choice]:
    """Return for each language and strategy the values of the lowest mean error rate over seeds.

    Equal ones go by the mean of the other error rate, then by that of the loss. `candidates` are
    those that `cuts` left. Raises ConfigError where there is a choice but no split to make it on.
    """
    cut = Counter((each.language, each.strategy) for each in cuts)
    groups: dict[tuple[str, str], dict[str, list[Candidate]]] = {}
    for each in candidates:
        values = json.dumps(each.settings, sort_keys=True)
        groups.setdefault((each.language, each.arm), {}).setdefault(values, []).append(each)
    return [
        _best(list(by_values.values()), folder, len(by_values) + cut[group])
        for group, by_values in groups.items()
    ]


@dataclass(frozen=True, slots=True)
class Selection(Document):
    """selection.json: the choices of a comparison before its test."""

    protocol: str
    choices: list[Choice]


def lock_selection(choices: Sequence[Choice], grid: Grid, folder: Path) -> None:
    """Write the choice before the test split is decoded, or compare it with the earlier one.

    Raises ConfigError when another would now be chosen although the test split was decoded: after
    the test there is no second choice. Under the paper's protocol nothing is compared.
    """
    path = folder / SELECTION
    before = read_json(path, Selection).choices if path.is_file() else []
    if grid.protocol == "validation":
        _refuse_second(before, choices, folder)
    now = {(each.language, each.arm) for each in choices}
    # What has left the grid may come back to it, and was tested all the same.
    gone = [old for old in before if (old.language, old.arm) not in now]
    write_json(path, Selection(grid.protocol, [*choices, *gone]))


def no_choice(language: str, arm: str, count: int) -> str:
    """Return the message for values of a sweep that no split can choose from."""
    return (
        f"{language}, {arm}: {count} combinations to choose from, but no validation split to "
        "choose on; add one to the data, or sweep nothing"
    )


def _best(groups: Sequence[Sequence[Candidate]], folder: Path, out_of: int) -> Choice:
    first, found = groups[0][0], [_known(group, folder) for group in groups]
    measure = first.experiment.measure
    if len(groups) > 1 and not all(found):
        raise ConfigError(no_choice(first.language, first.arm, len(groups)))
    best = 0
    if len(groups) > 1:
        orders = [mean_order([each.order(measure) for each in seeds]) for seeds in found]
        best = min(range(len(groups)), key=orders.__getitem__)
    return Choice(
        language=first.language,
        arm=first.arm,
        settings=groups[best][0].settings,
        runs=tuple(each.experiment.name for each in groups[best]),
        measure=measure,
        mean_wer=fmean(each.wer for each in found[best]) if found[best] else None,
        mean_cer=fmean(each.cer for each in found[best]) if found[best] else None,
        out_of=out_of,
    )


def _known(group: Sequence[Candidate], folder: Path) -> list[Validation]:
    """Return the best validation of each run; empty if one of them has none."""
    found = [each.run_dir(folder).read_record().best for each in group]
    known = [each for each in found if each is not None]
    return known if len(known) == len(found) else []


def _refuse_second(before: Sequence[Choice], choices: Sequence[Choice], folder: Path) -> None:
    now = {(each.language, each.arm): each for each in choices}
    for old in before:
        new = now.get((old.language, old.arm))
        scored = [run for run in old.runs if (folder / "runs" / run / "eval/test.json").exists()]
        if new and scored and new.settings != old.settings:
            raise ConfigError(
                f"{folder}: {old.arm} in {old.language} was chosen with {old.settings} "
                f"and scored on the test split; {new.settings} would be a choice made after seeing "
                "the test. Keep the first grid, give this one another name, or set protocol: paper"
            )
