"""The step of one GPU: passes and update that ask for no value of the device until the end."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend as Kernel
from torch.nn.attention import sdpa_kernel

from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.graphs import CudaRecorder, Graphs, Recorder
from mothertongue.training.batch import Batch
from mothertongue.training.lean import LeanPasses, lean_obstacle
from mothertongue.training.loss import LabelLoss

CUDNN_FRAMES = 1_000
"""Encoder frames from which on `train.cudnn_attention` has effect: 20 s."""


class GpuStep:
    """The passes of each micro-batch, then the update; both are replayed where a recorder is given.

    What changes from step to step lies in tensors that stay where they are: a graph holds their
    places.
    """

    def __init__(
        self,
        loss: LabelLoss,
        optimizer: torch.optim.Optimizer,
        parameters: dict[str, Tensor],
        dtype: torch.dtype,
        config: TrainConfig,
        recorder: Recorder | None,
    ) -> None:
        self.loss, self.optimizer, self.parameters = loss, optimizer, parameters
        self.dtype, self.most_norm = dtype, config.max_grad_norm
        self.prefers_cudnn, self.lean = config.cudnn_attention, None
        if not config.gradient_checkpointing and not lean_obstacle(loss.model):
            self.lean = LeanPasses(loss, dtype, is_compiled=config.compile)
        self.device = next(iter(parameters.values())).device
        self._scale, self._total, self._rate = torch.zeros(3, device=self.device).unbind()
        self._said_2 = torch.zeros(2, device=self.device, dtype=torch.float64)
        self._passes, self._updates = Graphs(self._pass, recorder), Graphs(self._update, recorder)

    @property
    def has_graphs(self) -> bool:
        """Whether shapes that repeat are replayed: gradients must then stay where they are."""
        return self._passes.recorder is not None

    @property
    def graphs(self) -> int:
        """How many graphs there are."""
        return len(self._passes) + len(self._updates)

    @contextmanager
    def stream(self) -> Iterator[None]:
        """A context for a whole step, in the stream of the captures where there are any."""
        recorder = self._passes.recorder
        if isinstance(recorder, CudaRecorder):
            with recorder.on_stream():
                yield
        else:
            yield

    def gradients(self, batches: Iterable[Batch], count: float) -> Tensor:
        """Leave the gradients of the mean loss in the parameters, and return it, a scalar.

        The batches are on the device; `count` is the number of their label tokens.
        """
        if self.lean:
            self.lean.weights.refresh()
        self._scale.fill_(1 / count)
        self._total.zero_()
        for batch in batches:
            heard, inputs_BL, targets_BL, *masks = batch.tensors()
            # Outside of the graph: the plans of the Fourier transform ask for memory of their own.
            factors = () if batch.factors_B is None else (batch.factors_B,)
            self._passes(self.loss.features(heard, *masks), inputs_BL, targets_BL, *factors)
        return self._total

    def update(self, learning_rate: float) -> tuple[float, float]:
        """Take the optimizer's step unless it is not finite: the mean loss, the gradient's norm."""
        self._rate.fill_(learning_rate)
        self._updates()
        return read(self._said_2)

    def drop_graphs(self) -> None:
        """Free the memory of all graphs and go on without."""
        self._passes.drop()
        self._updates.drop()

    def _pass(self, features: Tensor, *labels: Tensor) -> None:
        """Labels are inputs_BL, targets_BL and, where there are any, factors_B."""
        is_mixed = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype, is_mixed), self._attention(features):
            passes = self.lean or self.loss
            total = passes.of_features(features, *labels)
        mean = total.float() * self._scale
        mean.backward()
        if self.lean:
            self.lean.weights.hand_over_gradients()
        self._total += mean.detach()

    def _attention(self, features: Tensor) -> AbstractContextManager[None]:
        """Return the context in which attention is computed: it is captured with the kernels."""
        frames = features.shape[1] if self.loss.depth else features.shape[2] // 2
        if not self.prefers_cudnn or frames < CUDNN_FRAMES:
            return nullcontext()
        order = (Kernel.CUDNN_ATTENTION, Kernel.FLASH_ATTENTION, Kernel.EFFICIENT_ATTENTION)
        return sdpa_kernel([*order, Kernel.MATH], set_priority=True)

    def _update(self) -> None:
        """Let the fused optimizer scale the gradient down by its norm, or change nothing.

        It reads `grad_scale` and `found_inf`, which torch has for mixed precision in float16.
        """
        norm = torch.nn.utils.get_total_norm(
            [each.grad for each in self.parameters.values() if each.grad is not None]
        )
        too_large = (norm + 1e-6) / self.most_norm  # as in clip_grad_norm_
        optimizer: Any = self.optimizer
        optimizer.grad_scale = too_large.clamp(min=1.0)
        optimizer.found_inf = (~torch.isfinite(norm + self._total)).float()
        for group in optimizer.param_groups:
            group["lr"], group["capturable"] = self._rate, _is_capturing(self.device)
        optimizer.step()
        self._said_2[0].copy_(self._total)
        self._said_2[1].copy_(norm)


def read(values_2: Tensor) -> tuple[float, float]:
    """Two values of the device: the one moment of a step in which the host waits for a GPU."""
    first, second = values_2.tolist()
    return first, second


def _is_capturing(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()
