"""What a grid stands for, and what is wrong with one."""

from typing import Any

import pytest
from grids import MakeGrid

from mothertongue.comparison.grid import expand
from mothertongue.errors import ConfigError

FULL = {"strategy": {"kind": "full"}}
FREEZE = {"strategy": {"kind": "freeze"}, "sweep": {"strategy.encoder_layers": [1, 2]}}


def test_all_combinations_of_languages_values_and_seeds(make_grid: MakeGrid) -> None:
    languages = {"sw": {"data": "a"}, "yo": {"data": "b"}}
    both = FREEZE | {"sweep": FREEZE["sweep"] | {"train.learning_rate": [1e-4, 1e-3]}}
    grid = make_grid(languages=languages, strategies={"full": FULL, "x": both}, seeds=[0, 1])
    found = expand(grid)
    assert len(found) == 2 * (1 + 2 * 2) * 2
    last = found[-1]
    assert (last.language, last.arm, last.seed) == ("yo", "x", 1)
    assert last.settings == {"strategy.encoder_layers": 2, "train.learning_rate": 1e-3}
    assert last.experiment.train.learning_rate == 1e-3
    assert last.experiment.train.seed == 1
    assert last.experiment.strategy.model_dump()["encoder_layers"] == 2
    assert last.experiment.name == "yo-x-encoder_layers2-learning_rate0.001-seed1"


def test_an_arm_may_keep_to_some_languages(make_grid: MakeGrid) -> None:
    languages = {"sw": {"data": "a"}, "yo": {"data": "b"}}
    grid = make_grid(
        languages=languages, strategies={"full": FULL, "x": FREEZE | {"languages": ["yo"]}}
    )
    assert [each.language for each in expand(grid) if each.arm == "x"] == ["yo", "yo"]


def test_what_is_the_same_experiment_is_one_run(make_grid: MakeGrid) -> None:
    same = {"strategy": {"kind": "freeze", "encoder_layers": 2}}
    found = expand(make_grid(strategies={"full": FULL, "x": FREEZE, "y": same}))
    names = [each.experiment.name for each in found]
    assert names[2] == names[3] == "sw-x-encoder_layers2-seed0"


def test_different_experiments_never_share_a_folder(make_grid: MakeGrid) -> None:
    """The name of a run has neither brackets nor spaces, and - between its parts."""
    lora = {"kind": "lora", "rank": 2}
    arms = {
        "full": FULL,
        "lora (q v)": {"strategy": lora | {"preset": "paper"}},
        "lora [q,v]": {"strategy": lora | {"preset": "all-linear"}},
    }
    message = (
        "grid tiny: the runs of two experiments would share the folder sw-lora_q_v_-seed0:\n"
        "  language sw, strategy lora (q v)\n"
        "  language sw, strategy lora [q,v]\n"
        "Give one of these strategies or languages another name"
    )
    with pytest.raises(ConfigError) as caught:
        expand(make_grid(strategies=arms))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("languages", "arms"),
    [
        (("sw", "sw-full"), ("full-x", "x")),
        (("sw",), ("full", "Full")),
        (("sw",), ("x", "x-encoder_layers1")),
        (("sw",), ("\uac00", "\u1100\u1161")),  # the same syllable of Hangul
    ],
)
def test_folders_that_some_disks_take_for_one_are_refused(
    languages: tuple[str, ...], arms: tuple[str, ...], make_grid: MakeGrid
) -> None:
    places = {name: {"data": name, "language": "sw"} for name in languages}
    first = FREEZE | {"sweep": {"strategy.encoder_layers": [1]}}
    strategies = {arms[0]: first if arms[0] == "x" else FULL}
    strategies[arms[1]] = {"strategy": {"kind": "freeze", "encoder_layers": 2}}
    with pytest.raises(ConfigError, match="two experiments would share the folder"):
        expand(make_grid(languages=places, strategies=strategies, reference=arms[0]))


def test_equal_experiments_may_have_names_that_collide(make_grid: MakeGrid) -> None:
    found = expand(make_grid(strategies={"full": FULL, "Full": {"strategy": {"kind": "full"}}}))
    assert {each.experiment.name for each in found} == {"sw-full-seed0"}


def test_a_language_may_have_another_name_and_borrow(make_grid: MakeGrid) -> None:
    languages = {"twi": {"data": "a", "language": "tw", "borrow": {"tw": "yo"}}}
    experiment = expand(make_grid(languages=languages))[0].experiment
    assert (experiment.language, experiment.borrow) == ("tw", {"tw": "yo"})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reference": "none"}, "reference 'none' is none of"),
        ({"train": {"seed": 1}}, "list them under seeds"),
        ({"strategies": {"full": FULL | {"languages": ["xx"]}}}, "no \\['xx'\\] in languages"),
        ({"strategies": {"full": FULL | {"sweep": {"base": ["a"]}}}}, "expected strategy.x or"),
        ({"strategies": {"full": FULL | {"sweep": {"train.epochs": []}}}}, "at least 1 item"),
        (
            {"strategies": {"full": FULL | {"sweep": {"train.seed": [1, 2]}}}},
            "list them under seed",
        ),
        ({"strategies": {"full": FULL | {"languages": []}}}, "languages: .*at least 1 item"),
        ({"retention": {"en": {"daat": "x"}}}, "unknown key"),
        ({"retention": {"../../en": {"data": "x"}}}, r"retention: \['../../en'\]; expected names"),
        ({"retention": {"a\\b": {"data": "x"}}}, "expected names that files can have"),
        ({"languages": {"..": {"data": "x"}}}, r"languages: \['..'\]; expected names"),
        (
            {"languages": {"sw": {"data": "x", "also": {"/tmp/x": {"data": "x"}}}}},
            r"languages.sw.also: \['/tmp/x'\]",
        ),
        ({"strategies": {"base": FULL}}, "'base' is the base model in every table and chart"),
        ({"strategies": {"a\x1b[2J": FULL}}, r"strategies: \['a\\x1b\[2J'\]"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(
    changes: dict[str, Any], reason: str, make_grid: MakeGrid
) -> None:
    with pytest.raises(ConfigError, match=reason):
        make_grid(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [0, 1, 0]},
        {"strategies": {"full": FULL | {"sweep": {"train.weight_decay": [0, 0.1, 0.0]}}}},
    ],
)
def test_a_run_never_counts_twice_in_its_strategy(
    changes: dict[str, Any], make_grid: MakeGrid
) -> None:
    """It would be taken for two seeds that agree in every clip."""
    with pytest.raises(ConfigError, match=r"strategy full has the run sw-full.*-seed0 twice"):
        expand(make_grid(**changes))


def test_a_name_may_be_in_any_script(make_grid: MakeGrid) -> None:
    names = ["ትግርኛ", "मराठी (समाचार)", "می\u200cخواهم", "v1.2"]
    assert list(make_grid(retention={each: {"data": "x"} for each in names}).retention) == names


def test_settings_that_do_not_fit_name_the_run(make_grid: MakeGrid) -> None:
    grid = make_grid(strategies={"full": FULL | {"train": {"epoch": 3}}})
    with pytest.raises(ConfigError, match=r"sw-full-seed0.*\n.*train.epoch: unknown key"):
        expand(grid)
