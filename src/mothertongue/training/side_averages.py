"""Averages of a run's weights, kept beside them while they train.

`ema` is an exponential moving average over the steps, with the correction for its start that Adam
has (Kingma and Ba 2015, sec. 3): after t steps a step i has the weight decay^(t-i), and all weights
together are divided by their sum. The weights before training are no part of it. `last` is the mean
of the weights at the last validations. Izmailov et al. 2018 ("Averaging weights leads to wider
optima") describe means along one training; both here end with it.

Only what trains is averaged, in float32. Of LoRA these are the factors A and B, each by itself. The
mean of the products B A would be exact, but its rank would be that of all its parts together. Along
one training the factors stay close to each other, unlike those of two seeds, so the product of the
means is close to the mean of the products. Validation decides in any case.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from mothertongue.experiment import checkpoints
from mothertongue.experiment.checkpoints import keep_newest, step_folder
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.training.fsdp import as_shard, gathered

Tensors = dict[str, Tensor]
EMA, LAST = "ema", "last"


class SideAverages:
    """The averages that the settings of a training ask for; without any, it does nothing."""

    def __init__(
        self, config: TrainConfig, folder: Path, parameters: Mapping[str, Tensor], is_main: bool
    ) -> None:
        """`folder` keeps the weights of the last validations; the main rank writes it."""
        self._decay, self._count = config.ema, config.average_last
        self._folder, self._parameters, self._is_main = folder, parameters, is_main
        averaged = parameters if config.ema is not None else {}
        self.ema = {name: each.detach().clone() for name, each in averaged.items()}

    def stepped(self, step: int) -> None:
        """Take the weights after a step into the moving average; `step` counts from 1."""
        if self._decay is None:
            return
        share = (1 - self._decay) / (1 - self._decay**step)
        averages = [_local(self.ema[name]) for name in self._parameters]
        # One kernel for many tensors: hundreds of small ones would cost a GPU milliseconds a step.
        torch._foreach_lerp_(averages, list(map(_local, self._parameters.values())), share)

    def validated(self, step: int, save: Callable[[Path], None]) -> None:
        """Keep the weights after a validation, which `save` writes; forget the oldest."""
        if self._count is None:
            return
        save(step_folder(self._folder, step))
        if self._is_main:
            keep_newest(self._folder, self._count)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back the moving average of a checkpoint."""
        for name, each in tensors.items():
            self.ema[name].copy_(as_shard(each, self.ema[name]))

    def models(self) -> Iterator[tuple[str, Tensors]]:
        """Yield the name and the whole weights of each average, on the CPU; on every rank."""
        if self._decay is not None:
            yield EMA, {name: gathered(each).cpu() for name, each in self.ema.items()}
        if self._count is not None and len(self.steps) > 1:
            yield LAST, _mean([step_folder(self._folder, step) for step in self.steps])

    @property
    def steps(self) -> list[int]:
        """The steps of the validations whose weights are kept, oldest first."""
        return checkpoints.steps_in(self._folder)


def _local(value: Tensor) -> Tensor:
    """Return the part of a tensor that this rank keeps, in the same memory, without gradient."""
    value = value.detach()
    return value.to_local() if isinstance(value, DTensor) else value


def _mean(folders: list[Path]) -> Tensors:
    """Return the mean of saved weights, summed in double precision, oldest first."""
    total: Tensors = {}
    for folder in folders:
        for name, each in checkpoints.read_tensors(folder, checkpoints.TRAINED).items():
            total[name] = total[name] + each.double() if name in total else each.double()
    return {name: (each / len(folders)).float() for name, each in total.items()}
