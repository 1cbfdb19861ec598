"""Which values of a sweep are tested."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from grids import MakeGrid
from report_folders import run_record
from runs import validation

from mothertongue.comparison.grid import Candidate, expand
from mothertongue.comparison.schema import Cut
from mothertongue.comparison.selection import Choice, choose
from mothertongue.errors import ConfigError
from mothertongue.experiment.validation import Validation
from mothertongue.system.files import write_json

SWEPT = "strategy.encoder_layers"
Choose = Callable[..., Choice]


@pytest.fixture
def chosen(make_grid: MakeGrid, tmp_path: Path) -> Choose:
    """The choice between numbers of frozen layers, of which each seed was validated so."""

    def make(
        found: Mapping[int, list[Validation | None]], cuts: tuple[Cut, ...] = (), **changes: Any
    ) -> Choice:
        freeze = {"strategy": {"kind": "freeze"}, "sweep": {SWEPT: list(found)}}
        seeds = list(range(len(next(iter(found.values())))))
        grid = make_grid(strategies={"full": freeze}, seeds=seeds, **changes)
        candidates = expand(grid)
        for each in candidates:
            record(each, tmp_path, found[each.settings[SWEPT]][each.seed])
        (choice,) = choose(candidates, tmp_path, cuts)
        return choice

    return make


def record(candidate: Candidate, folder: Path, found: Validation | None) -> None:
    path = candidate.run_dir(folder).record
    path.parent.mkdir(parents=True)
    names = ("wer", "interval95", "cer", "cer_interval95", "loss")
    best = {f"best_validation_{each}": getattr(found, each, None) for each in names}
    write_json(path, run_record() | best)


def test_the_lowest_mean_over_seeds_is_chosen(chosen: Choose) -> None:
    found = {1: [validation(0.3), validation(0.5)], 2: [validation(0.1), validation(0.6)]}
    choice = chosen(found)
    assert choice.settings == {SWEPT: 2}
    assert (choice.measure, choice.mean_wer, choice.out_of) == ("wer", pytest.approx(0.35), 2)
    assert len(choice.runs) == 2


@pytest.mark.parametrize("select_by", ["auto", "cer"])
def test_by_characters_where_the_language_or_the_grid_says_so(
    select_by: str, chosen: Choose, corpora: dict[str, Path]
) -> None:
    found = {1: [validation(0.8, 0.4)], 2: [validation(0.9, 0.2)]}
    language = {"thai": {"data": str(corpora["sw"]), "language": "th"}}
    changes = {"languages": language} if select_by == "auto" else {"select_by": select_by}
    choice = chosen(found, **changes)
    assert choice.settings == {SWEPT: 2}
    assert (choice.measure, choice.mean_wer, choice.mean_cer) == ("cer", 0.9, 0.2)


@pytest.mark.parametrize(
    "other", [validation(1.0, 0.3, 1.0), validation(1.0, 0.4, 2.9), validation(0.9, 0.5, 4.0)]
)
def test_equal_rates_go_by_the_other_rate_then_by_the_loss(
    other: Validation, chosen: Choose
) -> None:
    assert chosen({1: [validation(1.0, 0.4, 3.0)], 2: [other]}).settings == {SWEPT: 2}


def test_a_perfect_value_is_chosen(chosen: Choose) -> None:
    assert chosen({1: [validation(0.1)], 2: [validation(0.0)]}).settings == {SWEPT: 2}


def test_what_was_cut_counts_among_what_was_tried(chosen: Choose) -> None:
    cuts = [Cut("sw", "full", {SWEPT: n}, f"run{n}", 1, "wer", 0.5, 0.4, n) for n in (3, 4)]
    other = Cut("sw", "lora", {}, "another", 1, "wer", 0.5, 0.4, 2)
    assert chosen({1: [validation(0.1)]}, (*cuts, other)).out_of == 3


def test_a_choice_without_a_split_to_make_it_on_is_refused(chosen: Choose) -> None:
    with pytest.raises(ConfigError, match="2 combinations to choose from, but no validation split"):
        chosen({1: [None], 2: [None]})


def test_without_a_choice_no_split_is_needed(chosen: Choose) -> None:
    choice = chosen({1: [None]})
    assert (choice.mean_wer, choice.mean_cer, choice.out_of) == (None, None, 1)
