"""Experiments, grids and settings that come with the package: YAML, the demo's clips, and no logic.

The name of a recipe comes in, the path of its file goes out. It imports errors alone.
"""

from pathlib import Path

from mothertongue.errors import ConfigError

FOLDER = Path(__file__).parent
TRAINING = ("plain", "quality")
"""Recipes that say how to train: settings below those of an experiment."""


def recipe_path(name: str) -> Path:
    """The YAML file at a path, or the recipe of that name. Raises ConfigError listing the names."""
    path = Path(name)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return path
    names = sorted({each.stem for each in FOLDER.glob("*.yaml")} - {*TRAINING})
    if name in names:
        return FOLDER / f"{name}.yaml"
    if path.is_dir():
        return path  # whoever reads it says that it is a folder
    raise ConfigError(
        f"{name}: no such file and no recipe; expected a YAML file or one of {', '.join(names)}"
    )


def training_recipe(name: str) -> Path:
    """Return the file of a recipe that says how to train. Raises ConfigError with the names."""
    if name not in TRAINING:
        raise ConfigError(f"recipe {name!r}: expected one of {', '.join(TRAINING)}")
    return FOLDER / f"{name}.yaml"
