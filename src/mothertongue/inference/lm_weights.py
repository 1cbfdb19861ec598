"""Keep the weight of a language model that was chosen for a MODEL, in the language model's folder.

A run is told by its settings and its inputs: it may be moved, and another run may take its place.
Other models are told by their path or their name.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from mothertongue.decoding.lm.folder import WEIGHTS, read_record
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError
from mothertongue.experiment.run_dir import RunDir, is_run
from mothertongue.system.files import sha256_files, write_json
from mothertongue.system.json_files import read_json

Weight = Annotated[float, Field(ge=0, le=2)]  # as DecodeConfig.lm_weight


def remember_weight(folder: Path, model: str, weight: float) -> None:
    """Keep the weight that was chosen for a model, for `transcribe` and `serve`."""
    write_json(folder / WEIGHTS, {**_weights(folder), _name(model): weight})


def weight_for(folder: Path, model: str) -> float:
    """Return the weight that was chosen for a model. Raises ConfigError if none was chosen."""
    read_record(folder)  # of a folder that is not there nothing else is said
    found = _weights(folder).get(_name(model))
    if found is None:
        raise ConfigError(
            f"{folder}: how much it weighs with {model} was not chosen; give --lm-weight, such as "
            f"0.2, or choose it on validation clips with: mothertongue evaluate {model} --lm "
            f"{folder}"
        )
    return found


def with_known_weight(config: DecodeConfig, model: str) -> DecodeConfig:
    """Return the settings with the weight of their language model, where it is not given.

    Raises ConfigError if none was chosen for the model.
    """
    if config.lm is None or config.lm_weight is not None:
        return config
    return config.model_copy(update={"lm_weight": weight_for(config.lm, model)})


def _weights(folder: Path) -> dict[str, float]:
    path = folder / WEIGHTS
    remedy = "remove it, and choose the weights again: mothertongue evaluate MODEL --lm FOLDER"
    return read_json(path, dict[str, Weight], remedy) if path.is_file() else {}


def _name(model: str) -> str:
    """Return a name of a model that does not depend on how its path is written."""
    path = Path(model).expanduser()
    if is_run(path):
        run = RunDir(path)
        inputs = [each for each in (run.experiment, run.identity) if each.is_file()]
        return f"run {sha256_files(inputs)[:16]}"
    return str(path.resolve()) if path.exists() else model
