"""Write docs/configuration.md from the schema; with --check, fail when the page is out of date."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mothertongue import strategies
from mothertongue.comparison.grid import (
    Grid,
    LanguageData,
    StrategyVariants,
    TestSet,
    WeightAverages,
)
from mothertongue.config import Config, members
from mothertongue.data.augment.config import AugmentConfig
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.strategies.base import Strategy

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
INTRODUCTION = """\
# Configuration

An experiment is a YAML file. Any setting can be changed on the command line by its dotted name:
`mothertongue train experiment.yaml train.epochs=3 strategy.kind=full`. An unknown key is an error.
This page is generated from the schema: `make docs`.
"""


GRID = """\
# Grids

A grid is a YAML file too: `mothertongue compare grid.yaml train.epochs=3 "seeds=[0, 1, 2]"`.
"""


def main() -> None:
    page = "\n".join([INTRODUCTION, *sections()])
    if "--check" not in sys.argv:
        PAGE.write_text(page, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page:
        sys.exit(f"{PAGE.name} is out of date; run: make docs")


def sections() -> Iterator[str]:
    """One section for each part of an experiment."""
    yield from section("The experiment", Experiment)
    yield from section("`train`", TrainConfig)
    yield from section("`train.augment`", AugmentConfig)
    for name, info in AugmentConfig.model_fields.items():
        (change,) = (each for each in get_args(info.annotation) if each is not NoneType)
        yield from section(f"`train.augment.{name}`", change)
    yield from section("`evaluate`", DecodeConfig)
    for kind in members(Strategy, strategies):
        yield from section(f"`strategy: {{kind: {kind.model_fields['kind'].default}}}`", kind)
    yield GRID
    yield from section("The grid", Grid)
    yield from section("Each of `languages`", LanguageData)
    yield from section("Each of `strategies`", StrategyVariants)
    yield from section("Each of `also` and `retention`", TestSet)
    yield from section("`average`", WeightAverages)


def section(title: str, config: type[Config]) -> Iterator[str]:
    """A table of a configuration's fields."""
    yield f"## {title}\n"
    yield f"{(config.__doc__ or '').strip().splitlines()[0]}\n"
    rows = [(name, info) for name, info in config.model_fields.items() if name != "kind"]
    if rows:
        yield "| setting | default | what it is |\n| --- | --- | --- |"
        yield from (row(name, info) for name, info in rows)
        yield ""


def row(name: str, info: FieldInfo) -> str:
    """One field: its name, its default, its documentation."""
    return f"| `{name}` | {default(info)} | {' '.join((info.description or '').split())} |"


def default(info: FieldInfo) -> str:
    """A default as YAML has it."""
    value: Any = info.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, Config):
        return "see its own table"
    if value is None:
        return "none"
    if isinstance(value, tuple):
        value = list(value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    main()
