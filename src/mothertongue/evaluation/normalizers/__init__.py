"""Normalizers with a name and a version, one in each file, for texts that are scored.

A module here that has a NORMALIZER is found by itself. Its version changes whenever any output of
it does, or what CER counts in it, and is stored with every score.
"""

import importlib
import pkgutil

from mothertongue.errors import ConfigError
from mothertongue.evaluation.normalizers.base import Normalizer, characters

__all__ = ["NORMALIZERS", "Normalizer", "characters", "normalizer"]


def _found() -> dict[str, Normalizer]:
    modules = [
        importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)
    ]
    found = [module.NORMALIZER for module in modules if hasattr(module, "NORMALIZER")]
    return {each.name: each for each in sorted(found, key=lambda each: each.place)}


NORMALIZERS = _found()


def normalizer(name: str) -> Normalizer:
    """Return the normalizer of that name. Raises ConfigError listing all names."""
    if name not in NORMALIZERS:
        raise ConfigError(f"normalizer {name!r}: expected one of {', '.join(NORMALIZERS)}")
    return NORMALIZERS[name]
