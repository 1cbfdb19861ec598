"""How far a run has come, as every checkpoint holds it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, with_config

from mothertongue.system.json_files import built
from mothertongue.training.validation import Validation


@with_config(ConfigDict(extra="forbid"))  # what a newer version counts must not be forgotten
@dataclass(slots=True)
class State:
    """The state of a run. All of it is in every checkpoint."""

    step: int = 0
    micro_batch_size: int = 0
    validated_step: int = 0
    best_step: int | None = None
    best: Validation | None = None
    """The validation of `best_step`; after the last step, that on all clips at 30 s."""
    worse_in_a_row: int = 0
    stopped_early: bool = False
    prefixes_computed: int = 0
    """How often a clip went through the frozen layers, instead of being read from the store."""
    train_s: float = 0.0
    validate_s: float = 0.0
    peak_memory_bytes: int = 0

    @classmethod
    def of(cls, values: dict[str, Any], origin: Path) -> "State":
        """The state that a checkpoint holds as JSON values. Raises DataError for other values."""
        return built(values, origin, cls, "continue the run with the version that wrote it")
