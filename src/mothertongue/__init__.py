"""Teach Whisper your mother tongue.

The verbs are functions here too: load_model, prepare, doctor, train, evaluate, label, lm, average,
compare (see `api`).
"""

import os
from typing import TYPE_CHECKING, Any

from mothertongue.system import runtime

if TYPE_CHECKING:
    from mothertongue.api import (
        average,
        compare,
        doctor,
        evaluate,
        label,
        lm,
        load_model,
        prepare,
        train,
    )

__all__ = [
    "__version__",
    "average",
    "compare",
    "doctor",
    "evaluate",
    "label",
    "lm",
    "load_model",
    "prepare",
    "train",
]
__version__ = "0.1.0.dev0"

runtime.silence(os.environ)


def __getattr__(name: str) -> Any:
    """Return a function of `api`, which is imported on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mothertongue import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted(__all__)
