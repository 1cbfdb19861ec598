"""How far a run has come, as every checkpoint holds it: counts, and AdamW's memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ConfigDict, with_config
from torch import Tensor

from mothertongue.experiment.records import BestOf
from mothertongue.experiment.validation import Validation
from mothertongue.system.json_files import read_json
from mothertongue.training.fsdp import as_shard

EXPENSIVE_SHARE = 0.25
"""A hint is printed when validations take at least this share of the time."""
FEW_CLIPS = 50
"""A number of validation clips that the hint can propose."""


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
    best_of: BestOf | None = None
    """The best weights and the averages, with their rates, and the name of those that were taken;
    None before the end, and in runs without averages."""
    prefixes_computed: int = 0
    """How often a clip went through the frozen layers, instead of being read from the store."""
    train_s: float = 0.0
    validate_s: float = 0.0
    peak_memory_bytes: int = 0

    @classmethod
    def read(cls, path: Path) -> "State":
        """The state in a file of a checkpoint. Raises DataError where it is of another version."""
        return read_json(path, cls, "continue the run with the version that wrote it")


def validation_hint(state: State, clips: int, split: int, every: int) -> str | None:
    """Return how to make validations of so many clips cheaper; None if they are not expensive.

    The clips are of a split of `split` clips, decoded every `every` steps.
    """
    share = state.validate_s / (state.validate_s + state.train_s)
    if share < EXPENSIVE_SHARE or clips <= FEW_CLIPS:
        return None
    return (
        f"validations ({clips} of {split} clips every {every:,} steps) take {share:.0%} of the "
        f"time; a new run with train.validation_clips={FEW_CLIPS} or a larger "
        "train.eval_every_steps is cheaper"
    )


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """AdamW's memory under the names of the parameters: "exp_avg.<name>" and so on."""
    return {
        f"{key}.{name}": torch.as_tensor(value)
        for name, parameter in parameters.items()
        for key, value in optimizer.state[parameter].items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, Tensor],
    tensors: Mapping[str, Tensor],
) -> None:
    """Put back what `optimizer_tensors` took."""
    for full_name, value in tensors.items():
        key, name = full_name.split(".", 1)
        parameter = parameters[name]
        optimizer.state[parameter][key] = as_shard(value, parameter)
