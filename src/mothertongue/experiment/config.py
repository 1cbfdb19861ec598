"""The settings of an experiment: base, data, strategy, training and evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, NonNegativeInt

from mothertongue import config, strategies
from mothertongue.data.languages import Measure, language_code, usual_measure
from mothertongue.data.manifest import MANIFEST_NAME
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError
from mothertongue.experiment.records import FREE, FREE_DECODING
from mothertongue.experiment.run_dir import COMPARISON, RunDir, refuse_change
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.recipes import training_recipe
from mothertongue.strategies.base import Strategy
from mothertongue.system.files import open_atomically

if TYPE_CHECKING:
    AnyStrategy = Strategy
else:
    AnyStrategy = config.choice(Strategy, strategies)

Code = Annotated[str, AfterValidator(language_code)]
NOT_OF_A_RUN = (MANIFEST_NAME, "config.json", COMPARISON)
"""The files of prepared data, of a base or an export, and of a comparison."""
RUN_NAME = r"^[\w][\w.-]*$"
RETIRED: dict[str, tuple[Any, ...] | None] = {
    "validation_share": None,
    "validation_clips": (None,),
    "prefix_depth": None,
}
"""Settings of `train` that runs of earlier versions recorded and nothing reads any more: those with
the values given, or with any. They do not change what such a run's weights are."""


class AveragedRun(config.Config):
    """A run whose weights are part of a mean."""

    run: str
    """Its folder, as it was given."""
    weights_sha256: str
    """The SHA-256 of its best/trained.safetensors."""
    seed: NonNegativeInt
    """Its train.seed."""


class Average(config.Config):
    """The runs that were averaged, and how far the result is from their base."""

    runs: Annotated[tuple[AveragedRun, ...], Field(min_length=1)]
    """The runs."""
    alpha: float = Field(ge=0, le=1)
    """The weights are base + alpha (mean - base)."""


class Experiment(config.Config):
    """All settings that a run depends on; the run saves them in full."""

    name: Annotated[str, Field(pattern=RUN_NAME)]
    """The run's folder below runs/."""
    base: str = "openai/whisper-base"
    """A Hub id, a local folder (transformers or CTranslate2) or OpenAI's .pt file."""
    language: Code
    """The language's code, such as sw. In training each utterance has its own."""
    borrow: dict[Code, Code] = Field(default_factory=dict)
    """Languages without a Whisper token, each with a related one whose token it takes: {tw: yo}."""
    data: Path | Annotated[tuple[Path, ...], Field(min_length=1)]
    """The manifest, or its folder, as made by `mothertongue prepare`; or a list of them."""
    select_on: Literal["validation", "test"] = "validation"
    """The split that chooses the best weights. Liu et al. 2024 used test: its WER then is
    no estimate for new speech, and every table says so."""
    select_by: Literal["auto", "wer", "cer"] = "auto"
    """The error rate that chooses the best weights. auto: cer in languages that are written without
    spaces between words (Thai, Khmer, Chinese and others), else wer."""
    strategy: AnyStrategy
    """The fine-tuning strategy: {kind: full}, {kind: freeze, encoder_layers: 3}, ..."""
    train: TrainConfig = TrainConfig()
    """The settings of the training."""
    evaluate: DecodeConfig = DecodeConfig()
    """The settings of decoding when scoring."""
    average: Average | None = None
    """Written by `mothertongue average`: the runs whose weights were averaged, and alpha. All other
    settings are those of the first of them, but for LoRA's rank and the adapters' width. It cannot
    be trained."""

    @property
    def manifests(self) -> tuple[Path, ...]:
        """All of `data`."""
        return self.data if isinstance(self.data, tuple) else (self.data,)

    @property
    def measure(self) -> Measure:
        """The error rate of `select_by`."""
        return usual_measure(self.language) if self.select_by == "auto" else self.select_by


def load_experiment(
    path: Path, overrides: Sequence[str] = (), recipe: str | None = None
) -> Experiment:
    """Return the experiment in a YAML file. Its `data` is relative to the working directory.

    The file changes the settings of the recipe, and the overrides change both. Raises ConfigError
    if there is no recipe of that name.
    """
    return config.load(Experiment, path, overrides, recipe_settings(recipe))


def recipe_settings(recipe: str | None) -> dict[str, Any]:
    """Return the settings of a recipe that says how to train; none without a recipe."""
    return config.read_yaml(training_recipe(recipe)) if recipe else {}


def read_experiment(run_dir: RunDir) -> Experiment:
    """Return the experiment that a run recorded, also for runs of an earlier version."""
    settings = config.read_yaml(run_dir.experiment)
    for name, values in RETIRED.items():
        train = settings.get("train", {})
        if name in train and (values is None or train[name] in values):
            del train[name]
    return config.parse(Experiment, settings, str(run_dir.experiment))


def write_experiment(experiment: Experiment, run_dir: RunDir) -> None:
    """Write the resolved settings of a run into its folder."""
    with open_atomically(run_dir.experiment) as file:
        file.write(_yaml(experiment))


def _yaml(experiment: Experiment) -> str:
    settings = experiment.model_dump(mode="json")
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)


def refuse_other_folder(experiment: Experiment, run_dir: RunDir) -> None:
    """Raise ConfigError if a run that begins would write into the folder of something else."""
    others = [name for name in NOT_OF_A_RUN if (run_dir.path / name).exists()]
    if run_dir.experiment.exists() and run_dir.experiment.read_text("utf-8") != _yaml(experiment):
        others.append(run_dir.experiment.name)
    if others:
        raise ConfigError(
            f"{run_dir.path}: has {others[0]}, which is not of this run; expected a folder of its "
            "own; give another --out"
        )


def refuse_other_settings(experiment: Experiment, run_dir: RunDir) -> None:
    """Raise ConfigError if the run was begun with settings that give other results."""
    before = _settings(read_experiment(run_dir))
    refuse_change(str(run_dir.path), before, _settings(experiment))


def _settings(experiment: Experiment) -> dict[str, Any]:
    """Return the settings that must not change when a run continues; others change rounding."""
    settings: dict[str, Any] = experiment.model_dump(
        mode="json", exclude={"name": True, "train": set(FREE), "evaluate": set(FREE_DECODING)}
    )
    return settings
