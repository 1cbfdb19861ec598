"""The processes of one run, one for each device: their ranks, and the values they exchange.

The collective calls are torch's and accelerate's; a run of one process makes none. All ranks must
make the same calls in the same order.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from mothertongue.errors import ConfigError, Preempted
from mothertongue.model.devices import best_device

T = TypeVar("T")


class Ranks:
    """This process among those of its run, as torchrun or accelerate launched them."""

    def __init__(self) -> None:
        """Joins the other processes: returns once all are there.

        Raises ConfigError where accelerate was set to shard the model itself.
        """
        _refuse_other_sharding()
        self._state = PartialState(cpu=best_device().type == "cpu")
        self.rank: int = self._state.process_index
        self.count: int = self._state.num_processes

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes files and prints messages."""
        return self.rank == 0

    def gathered(self, value: T) -> list[T]:
        """The value of every rank, in their order."""
        return [value] if self.count == 1 else list(gather_object([value]))

    def sum(self, value: float) -> float:
        """The sum of the values of all ranks, the same bits on each."""
        return self._reduced(value, torch.distributed.ReduceOp.SUM)

    def largest(self, value: int) -> int:
        """The largest of the values of all ranks."""
        return int(self._reduced(value, torch.distributed.ReduceOp.MAX))

    def _reduced(self, value: float, operation: Any) -> float:
        if self.count == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=self._state.device)
        torch.distributed.all_reduce(total, operation)
        return float(total)

    def from_main(self, value: T) -> T:
        """The main rank's value, for what it measured with its own clock."""
        if self.count == 1:
            return value
        return broadcast_object_list([value])[0]

    def wait(self) -> None:
        """Return once all ranks have called it."""
        if self.count > 1:
            self._state.wait_for_everyone()

    @contextmanager
    def preempt_on_peer_failure(self) -> Iterator[None]:
        """A context in which the death of another rank ends this one with Preempted."""
        try:
            yield
        except RuntimeError as error:
            if self.count == 1 or not _is_lost_peer(error):
                raise
            raise Preempted(
                f"rank {self.rank}: another process of this run ended; the newest checkpoint is "
                "whole: give the same command again to continue"
            ) from error


def _refuse_other_sharding() -> None:
    for name in ("FSDP", "DEEPSPEED"):
        if os.environ.get(f"ACCELERATE_USE_{name}", "").lower() == "true":
            raise ConfigError(
                f"accelerate launch: use_{name.lower()}, expected a plain launch; give "
                "train.zero=3 instead (or 2): it spreads what trains over the devices, by FSDP2"
            )


def _is_lost_peer(error: RuntimeError) -> bool:
    # gloo raises a plain RuntimeError that names its own source file.
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error)
