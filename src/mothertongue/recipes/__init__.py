"""Experiments and grids that come with the package: YAML, the demo's clips, and no logic.

The name of a recipe comes in, the path of its file goes out. It imports errors alone.
"""

from pathlib import Path

from mothertongue.errors import ConfigError


def recipe_path(name: str) -> Path:
    """The YAML file at a path, or the recipe of that name. Raises ConfigError listing the names."""
    path = Path(name)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return path
    folder = Path(__file__).parent
    if (folder / f"{name}.yaml").is_file():
        return folder / f"{name}.yaml"
    names = ", ".join(sorted(each.stem for each in folder.glob("*.yaml")))
    raise ConfigError(f"{name}: no such file and no recipe; expected a YAML file or one of {names}")
