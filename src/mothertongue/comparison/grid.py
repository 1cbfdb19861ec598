"""The settings of a grid, and the runs that it expands to."""

import itertools
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from mothertongue import config
from mothertongue.comparison.schema import BASE_SYSTEM
from mothertongue.data.languages import Measure, usual_measure
from mothertongue.data.manifest import Split
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError
from mothertongue.experiment.config import RUN_NAME, Code, Experiment
from mothertongue.experiment.run_dir import RunDir

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
FILE_NAME = re.compile(r"(?!\.)[^/\\\x00-\x1f\x7f-\x9f]+")
OVERRIDE = re.compile(r"(strategy|train)\.\w+")
UNLIKE = ("validation_clips", "context")
"""Settings of `train` that change the validation scores of the same model."""


class TestSet(config.Config):
    """Utterances to score on."""

    data: Path
    """The manifest, or its folder."""
    split: Split = "test"
    """Its split."""


class LanguageData(config.Config):
    """The data that one language is trained and tested on."""

    data: Path | Annotated[tuple[Path, ...], Field(min_length=1)]
    """The manifest, or its folder, or a list of them: train, validation and test split."""
    language: Code | None = None
    """The language's code, where its name in the grid is not one."""
    borrow: dict[Code, Code] = Field(default_factory=dict)
    """As in an experiment: {tw: yo}."""
    also: dict[str, TestSet] = Field(default_factory=dict)
    """More sets to test on, by name: other speakers, other domains."""
    rows: tuple[PositiveInt, NonNegativeInt, NonNegativeInt] | None = None
    """The numbers of training, validation and test clips: for a dry run without the data."""

    @property
    def manifests(self) -> tuple[Path, ...]:
        """All of `data`."""
        return self.data if isinstance(self.data, tuple) else (self.data,)

    @property
    def is_there(self) -> bool:
        """Return whether all of `data` is on this machine."""
        return all(path.exists() for path in self.manifests)


class StrategyVariants(config.Config):
    """One strategy, and the values to try with it."""

    strategy: dict[str, Any]
    """As in an experiment: {kind: freeze, encoder_layers: 3}."""
    train: dict[str, Any] = Field(default_factory=dict)
    """Changes to the grid's own `train`."""
    sweep: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    """Values to try, by dotted name: {strategy.encoder_layers: [1, 2, 3]}. All combinations."""
    languages: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """The languages of the grid that it is run in; by default all."""


class Halving(config.Config):
    """Settings of successive halving on validation, by the rule of ASHA."""

    first_epochs: PositiveInt = 1
    """The epochs before the first cut; each later cut comes after `factor` times as many."""
    factor: PositiveInt = Field(default=3, ge=2)
    """The best 1/factor of the runs so far, in the order of the grid, go on."""


class WeightAverages(config.Config):
    """Settings of the averages of weights that a comparison makes of its chosen runs."""

    soup: bool = True
    """The mean of the weights of all seeds (model soup). A strategy with one seed has none."""
    with_base: Literal["sweep"] | None = "sweep"
    """sweep: the mean is interpolated with the base (WiSE-FT), or the run where there is one seed;
    alpha is chosen on the validation split, and retention sets show what each alpha forgets."""

    @model_validator(mode="after")
    def _makes_something(self) -> "WeightAverages":
        if not self.soup and self.with_base is None:
            raise ValueError("soup=false with with_base=null averages nothing; give average: null")
        return self


class Grid(config.Config):
    """Languages x strategies x hyper-parameters x seeds."""

    name: Annotated[str, Field(pattern=RUN_NAME)]
    """The comparison's folder below runs/."""
    base: str = "openai/whisper-base"
    """As in an experiment."""
    protocol: Literal["validation", "paper"] = "validation"
    """validation: checkpoints and hyper-parameters are chosen on the validation split, and the test
    split is decoded once, by what was chosen. paper: both are chosen on the test split, as Liu et
    al. 2024 did; every table says so."""
    select_by: Literal["auto", "wer", "cer"] = "auto"
    """As in an experiment; auto takes the usual error rate of each language."""
    languages: Annotated[dict[str, LanguageData], Field(min_length=1)]
    """The languages by name, such as sw."""
    strategies: Annotated[dict[str, StrategyVariants], Field(min_length=1)]
    """The strategies by name; the table has a row for each."""
    reference: str = "full"
    """The strategy that the others are compared with."""
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0,)
    """The seeds: every run is done once with each."""
    train: dict[str, Any] = Field(default_factory=dict)
    """As in an experiment; for all runs."""
    evaluate: DecodeConfig = DecodeConfig()
    """As in an experiment."""
    halving: Halving | None = None
    """Stops the values of a sweep that are far behind after some epochs; {} takes the defaults. The
    result names the values that were cut, and why. None: all runs are trained to the end."""
    average: WeightAverages | None = WeightAverages()
    """Averages of the weights of the chosen runs, made after the choice and before the test: {soup:
    true, with_base: sweep} by default. This trains nothing, and costs about as much as seven
    validations of a run for each strategy and language. null: none, which is the default under
    protocol paper, since the test split would choose alpha."""
    retention: dict[str, TestSet] = Field(default_factory=dict)
    """Sets in other languages, by name, to measure what the model forgot."""

    def measure(self, language: str) -> Measure:
        """Return the error rate that chooses in one of the grid's languages."""
        code = self.languages[language].language or language
        return usual_measure(code) if self.select_by == "auto" else self.select_by

    @model_validator(mode="before")
    @classmethod
    def _paper_has_no_averages(cls, data: Any) -> Any:
        is_paper = isinstance(data, dict) and data.get("protocol") == "paper"
        return {"average": None, **data} if is_paper else data

    @model_validator(mode="after")
    def _averages_are_chosen_on_validation(self) -> "Grid":
        if self.average and self.protocol == "paper":
            raise ValueError(
                "average: under protocol paper the test split would choose alpha; give average: "
                "null, or protocol: validation"
            )
        if self.average and self.average.with_base is None and len(self.seeds) == 1:
            raise ValueError(
                "average: the mean of one seed has no effect; give several seeds, or with_base: "
                "sweep"
            )
        return self

    @model_validator(mode="after")
    def _halving_compares_alike(self) -> "Grid":
        if self.halving is None:
            return self
        given = {f"train.{key}" for key in self.train}
        for name, arm in self.strategies.items():
            given |= {f"strategies.{name}.train.{key}" for key in arm.train}
            given |= {f"strategies.{name}.sweep.{key}" for key in arm.sweep}
        for key in sorted(given):
            if key.endswith("train.eval_every_steps"):
                raise ValueError(
                    f"{key}: with halving, runs are compared after whole epochs and so validated "
                    "once an epoch; remove it"
                )
            if key.endswith(tuple(f"sweep.train.{name}" for name in UNLIKE)):
                raise ValueError(
                    f"{key}: halving compares the values of a sweep on the same clips at the same "
                    "context; sweep it without halving"
                )
        return self

    @model_validator(mode="after")
    def _names_can_be_files(self) -> "Grid":
        named = {"languages": list(self.languages), "retention": list(self.retention)}
        named |= {f"languages.{name}.also": list(e.also) for name, e in self.languages.items()}
        for where, names in named.items():
            if odd := [name for name in names if not FILE_NAME.fullmatch(name)]:
                raise ValueError(
                    f"{where}: {odd}; expected names that files can have: without / and \\, "
                    "without control characters, and not with a dot in front"
                )
        if odd := [name for name in self.strategies if CONTROL.search(name)]:
            raise ValueError(f"strategies: {odd}; expected names without control characters")
        if BASE_SYSTEM in self.strategies:
            raise ValueError(
                f"strategies: {BASE_SYSTEM!r} is the base model in every table and chart; give the "
                "strategy another name"
            )
        return self

    @model_validator(mode="after")
    def _names_fit(self) -> "Grid":
        if self.reference not in self.strategies:
            raise ValueError(f"reference {self.reference!r} is none of {sorted(self.strategies)}")
        for name, arm in self.strategies.items():
            if unknown := set(arm.languages or ()) - set(self.languages):
                raise ValueError(f"strategies.{name}.languages: no {sorted(unknown)} in languages")
            if odd := [key for key in arm.sweep if not OVERRIDE.fullmatch(key)]:
                raise ValueError(f"strategies.{name}.sweep: {odd}; expected strategy.x or train.x")
            if "train.seed" in arm.sweep:
                raise ValueError(
                    f"strategies.{name}.sweep: train.seed would choose the luckiest seed; list "
                    "them under seeds"
                )
        if "seed" in self.train or any("seed" in arm.train for arm in self.strategies.values()):
            raise ValueError("train.seed has no effect in a grid; list them under seeds")
        return self


@dataclass(frozen=True, slots=True)
class Candidate:
    """One run of the grid: a strategy with one combination of its values, and one seed."""

    language: str
    arm: str
    settings: dict[str, Any]
    """The swept values, by dotted name."""
    seed: int
    experiment: Experiment

    def run_dir(self, folder: Path) -> RunDir:
        """Return the folder of its run, below the comparison's folder."""
        return RunDir(folder / "runs" / self.experiment.name)


def expand(grid: Grid) -> list[Candidate]:
    """Return every run of the grid, in the order of languages, strategies, values and seeds.

    Two that are the same experiment share one name, and so one run. Raises ConfigError naming the
    strategy whose settings do not fit together, or which has one run twice; or two experiments
    whose runs would share a folder.
    """
    names: dict[str, str] = {}
    by_folder: dict[str, Candidate] = {}
    found = []
    for language, arm, settings, seed in _combinations(grid):
        experiment = _experiment(grid, language, arm, settings, seed)
        key = json.dumps(experiment.model_dump(mode="json", exclude={"name"}), sort_keys=True)
        name = names.setdefault(key, experiment.name)
        named = experiment.model_copy(update={"name": name})
        found.append(Candidate(language, arm, settings, seed, named))
        first = by_folder.setdefault(_folder(name), found[-1])
        if first.experiment != named:
            raise ConfigError(
                f"grid {grid.name}: the runs of two experiments would share the folder {name}:\n"
                f"  {_described(first)}\n  {_described(found[-1])}\n"
                "Give one of these strategies or languages another name"
            )
    _refuse_twice(grid, found)
    return found


def _refuse_twice(grid: Grid, candidates: Sequence[Candidate]) -> None:
    """Raise ConfigError if a strategy has a run twice, which would count as two seeds or values."""
    runs = Counter((each.language, each.arm, each.experiment.name) for each in candidates)
    if twice := [key for key, count in runs.items() if count > 1]:
        _, arm, name = twice[0]
        raise ConfigError(
            f"grid {grid.name}: strategy {arm} has the run {name} twice, expected other settings "
            "for each; give each seed and each value of its sweep once"
        )


def _folder(name: str) -> str:
    """Return the same text for names that some disks, as on most Macs, treat as one folder."""
    return unicodedata.normalize("NFC", name.casefold())


def _described(candidate: Candidate) -> str:
    settings = "".join(f", {key}={value}" for key, value in candidate.settings.items())
    return f"language {candidate.language}, strategy {candidate.arm}{settings}"


def _combinations(grid: Grid) -> Iterator[tuple[str, str, dict[str, Any], int]]:
    for language in grid.languages:
        for name, arm in grid.strategies.items():
            if arm.languages is not None and language not in arm.languages:
                continue
            for values in itertools.product(*arm.sweep.values()):
                for seed in grid.seeds:
                    yield language, name, dict(zip(arm.sweep, values, strict=True)), seed


def _experiment(
    grid: Grid, language: str, arm: str, settings: dict[str, Any], seed: int
) -> Experiment:
    place, chosen = grid.languages[language], grid.strategies[arm]
    parts = {
        "strategy": dict(chosen.strategy),
        "train": {**grid.train, **chosen.train, "seed": seed},
    }
    for key, value in settings.items():
        part, name = key.split(".")
        parts[part][name] = value
    name = _run_name(language, arm, settings, seed)
    return config.parse(
        Experiment,
        {
            "name": name,
            "base": grid.base,
            "language": place.language or language,
            "borrow": place.borrow,
            "data": place.data,
            "select_on": "test" if grid.protocol == "paper" else "validation",
            "select_by": grid.select_by,
            "evaluate": grid.evaluate.model_dump(),
            **parts,
        },
        f"grid {grid.name}, {name}",
    )


def _run_name(language: str, arm: str, settings: dict[str, Any], seed: int) -> str:
    swept = [f"{key.split('.')[1]}{value}" for key, value in settings.items()]
    return re.sub(r"[^\w.-]+", "_", "-".join([language, arm, *swept, f"seed{seed}"]))


def load_grid(path: Path, overrides: Sequence[str] = ()) -> Grid:
    """Return the grid in a YAML file or a recipe. Paths are relative to the working directory."""
    return config.load(Grid, path, overrides)


def retention_of(runs: Sequence[Path]) -> dict[str, TestSet]:
    """The retention sets of the comparisons that runs belong to, by name; none for other runs."""
    found: dict[str, TestSet] = {}
    for run in runs:
        runs_folder = run.resolve().parent
        grid = runs_folder.parent / "grid.yaml"
        if runs_folder.name == "runs" and grid.is_file():
            found = load_grid(grid).retention | found
    return found
