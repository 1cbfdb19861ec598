"""One optimizer step at a time: micro-batches, gradients, and what happens when memory runs out.

On several devices each rank brings its own clips of the step; the gradient is that of all of them,
over the labels of all of them, as one device would compute it.
"""

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, DistributedType
from accelerate.utils.memory import should_reduce_batch_size
from torch import Tensor

from mothertongue.devices import dtype_of
from mothertongue.errors import ConfigError, MothertongueError
from mothertongue.features import Batch
from mothertongue.strategies.base import Whisper, trained_parameters
from mothertongue.training.config import TrainConfig
from mothertongue.training.loss import LabelLoss
from mothertongue.training.prefix import FrozenPrefix
from mothertongue.training.ranks import Ranks

RANK_BITS = 48  # above the step and the seed


class Stepper:
    """A model with its loss and optimizer."""

    def __init__(
        self,
        model: Whisper,
        frozen: FrozenPrefix | None,
        config: TrainConfig,
        ranks: Ranks,
        noted: Callable[[str], None],
    ) -> None:
        self.model, self.frozen, self.config = model, frozen, config
        self.ranks, self._noted = ranks, noted
        self.micro_batch_size = config.micro_batch_size or config.size.clips_at(1)
        """Clips a forward pass, on each device."""
        self._accelerator = _accelerator(model, config)
        if config.gradient_checkpointing:
            model.activation_checkpointing_enable()
        self.parameters = trained_parameters(model)
        self.raw_optimizer = torch.optim.AdamW(_decay_groups(self.parameters, config), fused=True)
        dtype = dtype_of(config.precision, model.device)
        loss = LabelLoss(model, frozen.depth if frozen else 0, dtype)
        if config.compile:
            compile_layers(model)
        self._loss, self._optimizer = self._accelerator.prepare(loss, self.raw_optimizer)

    def take(self, step: int, batches: list[Batch], learning_rate: float) -> tuple[float, float]:
        """Do the step after `step` steps: the mean loss per label token, the gradient's norm.

        Raises MothertongueError where they are not finite; the weights are then unchanged.
        """
        torch.manual_seed(_mix(self.config.seed, step, self.ranks.rank))
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        loss = self._gradients(step, batches)
        norm = float(
            self._accelerator.clip_grad_norm_(self.parameters.values(), self.config.max_grad_norm)
        )
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise self._not_finite(step, loss, norm, batches)
        frozen = _frozen_sums(self.model) if step == 0 else {}
        self._optimizer.step()
        if step == 0:
            _assert_only_promised_moved(self.model, frozen)
        self._optimizer.zero_grad(set_to_none=True)
        return loss, norm

    def _gradients(self, step: int, batches: list[Batch]) -> float:
        """The mean loss per label token; its gradients are left in the parameters.

        When memory runs out the micro-batch is halved and the step done again: the effective batch
        stays what was asked for.
        """
        count = self.ranks.sum(sum(batch.counted for batch in batches))
        while True:
            try:
                return self.ranks.sum(self._backward_all(batches, count))
            except RuntimeError as error:
                if not should_reduce_batch_size(error):
                    raise
                self._halve(step, error)

    def _backward_all(self, batches: list[Batch], count: float) -> float:
        parts = [part for batch in batches for part in batch.split(self.micro_batch_size)]
        loss = sum(self._backward(part, count, is_last=False) for part in parts[:-1])
        return loss + self._backward(parts[-1], count, is_last=True)

    def _backward(self, batch: Batch, count: float, is_last: bool) -> float:
        """The gradients of all ranks are exchanged with the last micro-batch of each."""
        batch = self.frozen.states(batch) if self.frozen else batch.to(self.model.device)
        with nullcontext() if is_last else self._accelerator.no_sync(self._loss):
            loss = self._loss(*batch.tensors()) / count
            # Times the ranks: the exchange takes the mean of their gradients, we want the sum.
            self._accelerator.backward(loss * self.ranks.count)
        return float(loss.detach())

    def _halve(self, step: int, error: Exception) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        if self.micro_batch_size == 1:
            raise MothertongueError(
                "out of memory with a single clip; use a smaller base, a strategy that trains "
                "less, or train.gradient_checkpointing=true"
            ) from error
        if self.ranks.count > 1:
            # The others may be in the middle of an exchange that this rank will not complete.
            raise MothertongueError(
                f"rank {self.ranks.rank}, step {step + 1}: out of memory; give "
                f"train.micro_batch_size={self.micro_batch_size // 2} and the same command again: "
                "the effective batch stays, and the run goes on from its newest checkpoint"
            ) from error
        self.micro_batch_size //= 2
        self._noted(
            f"step {step + 1}: out of memory; going on with micro-batches of "
            f"{self.micro_batch_size}, the effective batch stays"
        )
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()

    def _not_finite(
        self, step: int, loss: float, norm: float, batches: list[Batch]
    ) -> MothertongueError:
        ids = ", ".join(clip for batch in batches for clip in batch.ids)
        return MothertongueError(
            f"step {step + 1}: loss {loss}, gradient norm {norm}, expected finite "
            f"numbers; the weights were not changed. Clips of this step: {ids}. Look at them with "
            "mothertongue check, or lower train.learning_rate; the last checkpoint is intact"
        )


def compile_layers(model: Whisper) -> None:
    """Let torch compile each layer, for any context and batch: one graph serves all alike ones."""
    for layer in [*model.model.encoder.layers, *model.model.decoder.layers]:
        layer.compile(dynamic=True)


def _accelerator(model: Whisper, config: TrainConfig) -> Accelerator:
    # accelerate keeps the first precision of a process for good; a grid of runs needs its own.
    AcceleratorState._reset_state()
    is_bf16 = dtype_of(config.precision, model.device) == torch.bfloat16
    accelerator = Accelerator(
        mixed_precision="bf16" if is_bf16 else "no",
        cpu=model.device.type == "cpu",
        kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True)],
    )
    if accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        raise ConfigError(
            f"accelerate: distributed_type {accelerator.distributed_type.value}, expected none or "
            "MULTI_GPU: every device holds the whole model; a strategy that trains less or "
            "train.gradient_checkpointing=true takes less memory"
        )
    if accelerator.gradient_accumulation_steps != 1:
        raise ConfigError(
            f"accelerate: gradient_accumulation_steps is {accelerator.gradient_accumulation_steps},"
            " expected 1; train.batch_size and train.micro_batch_size say what a step sees"
        )
    return accelerator


def _decay_groups(parameters: dict[str, Tensor], config: TrainConfig) -> list[dict[str, Any]]:
    matrices = [value for value in parameters.values() if value.ndim > 1]
    vectors = [value for value in parameters.values() if value.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _mix(seed: int, step: int, rank: int) -> int:
    return (rank << RANK_BITS) + (seed << 32) + step


def _frozen_sums(model: Whisper) -> dict[str, float]:
    return {
        name: float(value.detach().double().abs().sum())
        for name, value in model.named_parameters()
        if not value.requires_grad
    }


def _assert_only_promised_moved(model: Whisper, frozen: dict[str, float]) -> None:
    silent = [name for name, value in trained_parameters(model).items() if value.grad is None]
    assert not silent, f"these should train but get no gradient: {silent}"
    moved = [name for name, total in _frozen_sums(model).items() if frozen[name] != total]
    assert not moved, f"these are frozen but moved: {moved}"
