"""Sharding of what trains: each device keeps a part of its weights and of AdamW's state.

ZeRO's stages 2 and 3 (Rajbhandari et al. 2020) by torch's FSDP2. The collective calls are its own;
all ranks must make the same ones in the same order. Frozen weights stay whole on every device: they
have no gradient and no optimizer state, and the prefix cache reads them.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from mothertongue.strategies.base import Whisper, trained_parameters


def shared_memory_copy(model: Whisper) -> Whisper:
    """Another model over the same memory, to be sharded: `model` itself stays one of plain tensors.

    Its frozen parameters are those of `model`, its trained ones new names for the same values.
    """
    memo: dict[int, Any] = {
        id(each): nn.Parameter(each.data) if each.requires_grad else each
        for each in model.parameters()
    }
    return copy.deepcopy(model, memo)


def shard(loss: nn.Module, trained: Whisper, stage: int, ranks: int) -> None:
    """Shard what trains over so many ranks, in place: `trained` by layers, `loss` around it.

    At stage 3 a layer's weights are gathered for its forward and again for its backward pass; at
    stage 2 they stay from the one to the other. The gradient of every backward pass is the mean
    over the ranks, and each keeps its part of it.
    """
    settings: dict[str, Any] = {
        "mesh": init_device_mesh(trained.device.type, (ranks,)),
        "reshard_after_forward": stage == 3,
        "ignored_params": {each for each in trained.parameters() if not each.requires_grad},
    }
    for layer in [*trained.model.encoder.layers, *trained.model.decoder.layers]:
        if any(each.requires_grad for each in layer.parameters()):
            fully_shard(layer, **settings)
    fully_shard(loss, **settings)


@contextmanager
def gathered_parameters(model: Whisper, shards: Mapping[str, Tensor]) -> Iterator[None]:
    """A context in which `model` has all of its weights on every rank; shards keep the changes.

    Outside, the trained parameters of a sharded model have their shapes and no memory.
    """
    for name, parameter in trained_parameters(model).items():
        parameter.data = gathered(shards[name])
    try:
        yield
    finally:
        for name, parameter in trained_parameters(model).items():
            shards[name].data.copy_(as_shard(parameter.data, shards[name]))
        release_parameters(model)


def release_parameters(model: Whisper) -> None:
    """Free the memory of the trained parameters; reading them then gives NaN."""
    for parameter in trained_parameters(model).values():
        parameter.data = torch.full_like(parameter[:0].sum(), torch.nan).expand(parameter.shape)


def gathered(value: Tensor) -> Tensor:
    """The whole of a tensor that may be a shard."""
    whole = value.detach()
    return whole.full_tensor() if isinstance(whole, DTensor) else whole


def on_main(tensors: Mapping[str, Tensor], is_main: bool) -> dict[str, Tensor]:
    """All tensors whole, contiguous, on the CPU of the main rank; none on the others."""
    found = {}
    for name, value in tensors.items():
        whole = gathered(value)
        if is_main:
            found[name] = whole.to("cpu").contiguous()
    return found


def as_shard(value: Tensor, like: Tensor) -> Tensor:
    """The part of a whole tensor that this rank keeps, as `like` lies; all of it without shards."""
    if not isinstance(like, DTensor) or value.shape != like.shape:
        return value.to(like.device)
    return distribute_tensor(
        value.to(like.device), like.device_mesh, like.placements, src_data_rank=None
    )
