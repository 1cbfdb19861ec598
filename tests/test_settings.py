"""Numbers that a user can write into an experiment or a grid: fine, or refused with the key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runs import Silent, save_base, save_corpus, tiny_experiment

from mothertongue import strategies
from mothertongue.comparison.grid import Grid, Halving, expand
from mothertongue.config import LARGEST, members, parse
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.strategies.base import Strategy
from mothertongue.training.run import run

EXPERIMENT = {"name": "x", "language": "sw", "data": "d", "strategy": {"kind": "full"}}
GRID = {
    "name": "x",
    "languages": {"sw": {"data": "d"}},
    "strategies": {"full": {"strategy": {"kind": "full"}}},
}
NUMBERS = [0, -1, 5_000_000_000, 10**30, 1e300, float("nan"), float("inf"), float("-inf")]
PARTS = {"train": TrainConfig, "evaluate": DecodeConfig, "halving": Halving}
KINDS = {cls.model_fields["kind"].default: cls for cls in members(Strategy, strategies)}


def numeric(cls: Any) -> list[str]:
    fields = cls.model_fields.items()
    return [key for key, field in fields if {"int", "float"} & set(words(field.annotation))]


def words(annotation: object) -> list[str]:
    text = getattr(annotation, "__name__", "") + " " + str(annotation)
    return "".join(c if c.isalnum() else " " for c in text).split()


def settings() -> Iterator[Any]:
    for part in ("train", "evaluate"):
        for key in numeric(PARTS[part]):
            yield pytest.param(Experiment, EXPERIMENT, part, {}, key, id=f"{part}.{key}")
    for kind, cls in KINDS.items():
        needed = {"kind": kind} | ({"encoder_layers": 1} if kind in ("freeze", "reinit") else {})
        for key in numeric(cls):
            yield pytest.param(Experiment, EXPERIMENT, "strategy", needed, key, id=f"{kind}.{key}")
    for key in numeric(Halving):
        yield pytest.param(Grid, GRID, "halving", {}, key, id=f"halving.{key}")


def numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for each in value.values():
            yield from numbers_in(each)
    elif isinstance(value, int | float):
        yield value


@pytest.mark.parametrize(("cls", "whole", "part", "needed", "key"), list(settings()))
def test_a_number_is_taken_or_refused_with_its_key(
    cls: Any, whole: dict[str, Any], part: str, needed: dict[str, Any], key: str
) -> None:
    for number in NUMBERS:
        try:
            found = parse(cls, whole | {part: needed | {key: number}}, "x.yaml")
        except ConfigError as error:
            assert part in str(error)
            assert key in str(error)
        else:
            held = numbers_in(found.model_dump()[part])
            assert all(-LARGEST <= each <= LARGEST or isinstance(each, float) for each in held)
            assert number == number and abs(number) < float("inf")


def test_there_are_numbers_to_try() -> None:
    assert {"epochs", "batch_seconds", "micro_batch_size", "seed"} <= set(numeric(TrainConfig))
    assert set(numeric(DecodeConfig)) == {
        "beam_size",
        "batch_size",
        "lm_weight",
        "hotwords_weight",
    }
    assert {"rank", "alpha", "dropout"} <= set(numeric(KINDS["lora"]))


@pytest.mark.parametrize(
    ("part", "key", "number"),
    [
        ("train", "epochs", 10_001),
        ("evaluate", "beam_size", 0),
        ("evaluate", "beam_size", 101),
        ("evaluate", "batch_size", 0),
        ("train", "seed", 2**64),
        ("train", "epochs", 10**30),
        ("train", "workers", 257),
        ("train", "prefix_cache_gb", 1e300),
        ("train", "max_grad_norm", float("inf")),
        ("train", "batch_seconds", float("nan")),
    ],
)
def test_numbers_that_would_crash_a_run_are_refused(part: str, key: str, number: float) -> None:
    with pytest.raises(ConfigError, match=rf"  {part}\.{key}: "):
        parse(Experiment, EXPERIMENT | {part: {key: number}}, "x.yaml")


def test_seeds_of_a_grid_have_the_same_limit() -> None:
    grid = parse(Grid, GRID | {"seeds": [LARGEST]}, "x.yaml")
    assert expand(grid)[0].experiment.train.seed == LARGEST
    with pytest.raises(
        ConfigError, match=r"  seeds: .*expected a number of at most 281,474,976,710,656"
    ):
        parse(Grid, GRID | {"seeds": [0, LARGEST + 1]}, "x.yaml")


def test_the_largest_seed_trains(tmp_path: Path) -> None:
    base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data", train=2)
    strategy = {"kind": "lora", "rank": 2, "dropout": 0.1}
    changes = {"strategy": strategy, "epochs": 1, "seed": LARGEST}
    experiment = tiny_experiment(tmp_path, base, data, **changes)
    assert run(experiment, RunDir(tmp_path / "run"), Silent()).steps == 1


@pytest.mark.parametrize("variant", ["plain", "pissa"])
def test_a_rank_beyond_the_model_is_refused(variant: str, tmp_path: Path) -> None:
    base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data", train=2)
    strategy = {"kind": "lora", "rank": 33, "variant": variant}
    experiment = tiny_experiment(tmp_path, base, data, strategy=strategy)
    with pytest.raises(ConfigError, match=r"strategy\.rank: 33.*at most 32"):
        run(experiment, RunDir(tmp_path / "run"), Silent())
