"""One optimizer step at a time: micro-batches, gradients, and what happens when memory runs out.

On several devices each rank brings its own clips of the step; the gradient is that of all of them,
over the labels of all of them, as one device would compute it.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from accelerate.utils.memory import should_reduce_batch_size
from torch import Tensor

from mothertongue.errors import ConfigError, MothertongueError
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.devices import clips_together, dtype_of
from mothertongue.model.graphs import CudaRecorder, Recorder
from mothertongue.strategies.base import Whisper, trained_parameters
from mothertongue.training import fsdp as sharding
from mothertongue.training.batch import IGNORED, Batch
from mothertongue.training.distributed import Ranks
from mothertongue.training.frozen_prefix import FrozenPrefix
from mothertongue.training.gpu_step import GpuStep
from mothertongue.training.loss import LabelLoss


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
        self.micro_batch_size = config.largest_micro_batch
        """Clips a forward pass, on each device, at most."""
        self.zero = config.zero if ranks.count > 1 else 0
        """The stage of ZeRO; at 0 every device holds all that trains."""
        _refuse_layerdrop(model)
        if config.zero and not self.zero:
            noted(f"train.zero={config.zero} has no effect on one device")
        self._accelerator = _accelerator(model, config)
        if config.gradient_checkpointing:
            model.activation_checkpointing_enable()
        dtype = dtype_of(config.precision, model.device)
        trained = sharding.shared_memory_copy(model) if self.zero else model
        loss = LabelLoss(trained, frozen.depth if frozen else 0, dtype)
        if config.compile:
            compile_layers(trained)
        if self.zero:
            sharding.shard(loss, trained, self.zero, ranks.count)
            sharding.release_parameters(model)
        self.parameters = trained_parameters(trained)
        self.raw_optimizer = torch.optim.AdamW(_decay_groups(self.parameters, config), fused=True)
        # What "evaluation" leaves out is to wrap it for DDP.
        self._loss = self._accelerator.prepare_model(loss, evaluation_mode=self.zero > 0)
        self._optimizer = self._accelerator.prepare(self.raw_optimizer)
        self.one_gpu: GpuStep | None = None
        """Takes the steps where there is one GPU."""
        if model.device.type == "cuda" and ranks.count == 1:
            self.one_gpu = self.gpu_step(self._recorder())

    def _recorder(self) -> CudaRecorder | None:
        config = self.config
        if config.graphs == "off":
            return None
        if config.gradient_checkpointing:
            self._noted("train.graphs: off, as with gradient_checkpointing")
            return None
        self._noted("train.graphs: batches whose shape came twice before are replayed")
        return CudaRecorder(self.model.device)

    def gpu_step(self, recorder: Recorder | None) -> GpuStep:
        """The step of one GPU, with graphs where a recorder is given."""
        loss: LabelLoss = self._accelerator.unwrap_model(self._loss)
        dtype = dtype_of(self.config.precision, self.model.device)
        parts = loss, self.raw_optimizer, self.parameters, dtype, self.config
        return GpuStep(*parts, recorder)

    def take(self, step: int, batches: list[Batch], learning_rate: float) -> tuple[float, float]:
        """Do the step after `step` steps: the mean loss per label token, the gradient's norm.

        Raises MothertongueError where they are not finite; the weights are then unchanged.
        """
        torch.manual_seed(_mix(self.config.seed, step, self.ranks.rank))
        frozen = _frozen_sums(self.model) if step == 0 else {}
        with self.one_gpu.stream() if self.one_gpu else nullcontext():
            loss, norm = self._learned(step, batches, learning_rate)
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise self._not_finite(step, loss, norm, batches)
        if step == 0:
            _assert_only_promised_moved(self.model, self.parameters, frozen)
        is_kept = self.one_gpu is not None and self.one_gpu.has_graphs
        self._optimizer.zero_grad(set_to_none=not is_kept)
        return loss, norm

    def _learned(
        self, step: int, batches: list[Batch], learning_rate: float
    ) -> tuple[float, float]:
        """Take the optimizer's step unless it is not finite: the loss of all ranks, the norm."""
        mine = self._gradients(step, batches)
        if self.one_gpu:
            return self.one_gpu.update(learning_rate)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        clipped = self._accelerator.clip_grad_norm_(
            self.parameters.values(), self.config.max_grad_norm
        )
        norm = float(sharding.gathered(clipped))
        loss = self.ranks.sum(float(mine))
        if math.isfinite(loss) and math.isfinite(norm):
            self._optimizer.step()
        return loss, norm

    def gathered_parameters(self) -> AbstractContextManager[None]:
        """Inside, `model` has all of its weights, on every rank; what is changed there is kept."""
        return (
            sharding.gathered_parameters(self.model, self.parameters)
            if self.zero
            else nullcontext()
        )

    def _gradients(self, step: int, batches: list[Batch]) -> Tensor:
        """This rank's part of the mean loss per label token; gradients are left in the parameters.

        When memory runs out the micro-batch is halved and the step done again: the effective batch
        stays what was asked for.
        """
        count = self.ranks.sum(sum(batch.counted for batch in batches))
        while True:
            try:
                return self._backward_all(batches, count)
            except RuntimeError as error:
                if not should_reduce_batch_size(error):
                    raise
                self._halve(step, batches, error)

    def _backward_all(self, batches: list[Batch], count: float) -> Tensor:
        parts = [part for batch in batches for part in batch.split(self._clips_together(batch))]
        parts = [part for part in parts if part.ids]  # silent rows alone teach nothing
        if self.zero:
            # Every forward and backward pass is one of all ranks: they gather the weights for it.
            missing = self.ranks.largest(len(parts)) - len(parts)
            parts += [_uncounted(parts[0])] * missing
        if self.one_gpu:
            return self.one_gpu.gradients(map(self._on_device, parts), count)
        losses = [self._backward(part, count, part is parts[-1]) for part in parts]
        return torch.stack(losses).double().sum()

    def _clips_together(self, batch: Batch) -> int:
        """The clips of one forward pass, so that all passes of a batch are nearly alike."""
        clips = batch.rows
        most = min(clips, self.micro_batch_size)
        if self.config.micro_batch_size is None:
            most = min(most, clips_together(batch.context_s, self.model.device) or most)
        return math.ceil(clips / math.ceil(clips / most))

    def _backward(self, batch: Batch, count: float, is_last: bool) -> Tensor:
        """The gradients of all ranks are exchanged with the last micro-batch of each.

        With ZeRO, with every one: no device has room for all of them.
        """
        rows_N = batch.counted_rows(self.model.device)
        batch = self._on_device(batch)
        with nullcontext() if is_last else self._accelerator.no_sync(self._loss):
            inputs, factors_B = batch.tensors(), batch.factors_B
            loss = self._loss(*inputs, rows_N=rows_N, factors_B=factors_B) / count
            # Times the ranks: the exchange takes the mean of their gradients, we want the sum.
            self._accelerator.backward(loss * self.ranks.count)
        return loss.detach()

    def _on_device(self, batch: Batch) -> Batch:
        return self.frozen.states(batch) if self.frozen else batch.to(self.model.device)

    def _halve(self, step: int, batches: list[Batch], error: Exception) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        # A step may hold fewer clips than it could: half of those it could may still be all.
        largest = max(map(self._clips_together, batches))
        if largest == 1:
            raise MothertongueError(
                "out of memory with a single clip; use a smaller base, a strategy that trains "
                "less, train.gradient_checkpointing=true, or train.zero=3 on several devices"
            ) from error
        if self.ranks.count > 1:
            # The others may be in the middle of an exchange that this rank will not complete.
            raise MothertongueError(
                f"rank {self.ranks.rank}, step {step + 1}: out of memory; give "
                f"train.micro_batch_size={largest // 2} and the same command again: "
                "the effective batch stays, and the run goes on from its newest checkpoint"
            ) from error
        self.micro_batch_size = largest // 2
        if self.one_gpu:
            self.one_gpu.drop_graphs()
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


def _uncounted(batch: Batch) -> Batch:
    """A clip of it, with labels that no loss counts."""
    (first, *_) = batch.split(1)
    return replace(first, targets_BL=torch.full_like(first.targets_BL, IGNORED))


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
    if accelerator.gradient_accumulation_steps != 1:
        raise ConfigError(
            f"accelerate: gradient_accumulation_steps is {accelerator.gradient_accumulation_steps},"
            " expected 1; train.batch_size and train.micro_batch_size say what a step sees"
        )
    return accelerator


def _refuse_layerdrop(model: Whisper) -> None:
    """A layer that is skipped gets no gradient, and each device would skip another."""
    for name in ("encoder_layerdrop", "decoder_layerdrop"):
        if drop := getattr(model.config, name):
            raise ConfigError(
                f"base: its {name} is {drop:g}, expected 0: training skips no layers; set it to 0 "
                "in the config.json of a copy of the base, and give that folder as the base"
            )


def _decay_groups(parameters: dict[str, Tensor], config: TrainConfig) -> list[dict[str, Any]]:
    matrices = [value for value in parameters.values() if value.ndim > 1]
    vectors = [value for value in parameters.values() if value.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _mix(seed: int, step: int, rank: int) -> int:
    """A seed for torch that no other seed, step or rank gives."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0])


def _frozen_sums(model: Whisper) -> dict[str, float]:
    return {
        name: float(value.detach().double().abs().sum())
        for name, value in model.named_parameters()
        if not value.requires_grad
    }


def _assert_only_promised_moved(
    model: Whisper, trained: dict[str, Tensor], frozen: dict[str, float]
) -> None:
    silent = [name for name, value in trained.items() if value.grad is None]
    assert not silent, f"these should train but get no gradient: {silent}"
    moved = [name for name, total in _frozen_sums(model).items() if frozen[name] != total]
    assert not moved, f"these are frozen but moved: {moved}"
