"""AdamW's memory as named tensors, as checkpoints keep it."""

from collections.abc import Mapping

import torch
from torch import Tensor

from mothertongue.training.fsdp import as_shard


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
