"""The contract of fine-tuning strategies; the contract tests check it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor
from transformers import WhisperConfig, WhisperForConditionalGeneration

from mothertongue.config import Config
from mothertongue.errors import DataError, MothertongueError
from mothertongue.strategies.averaging import Trained
from mothertongue.strategies.learning_rates import Tuned

Whisper = WhisperForConditionalGeneration


class CannotMergeError(MothertongueError):
    """The tuned model has parts that a plain Whisper cannot have."""


class NotAdapterError(MothertongueError):
    """Training changed the base's own weights: nothing can be disabled."""


class Strategy(Config, ABC):
    """A fine-tuning method: it chooses which weights of a Whisper train.

    Final subclasses add `kind: Literal["name"] = "name"`.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]]
    """Settings that fit any Whisper of two layers and more: tests and documentation use them."""

    tuned: ClassVar[Tuned]
    """The column of learning_rates.RATES that its default learning rate is in."""

    @abstractmethod
    def check(self, config: WhisperConfig) -> None:
        """Raise ConfigError when the strategy does not fit a model of this shape."""

    @abstractmethod
    def apply(self, model: Whisper, seed: int) -> Whisper:
        """Return the model, changed in place: requires_grad is true on exactly the trained weights.

        New weights are drawn from `seed`, on the device of the model.
        """

    @property
    def moves_base(self) -> bool:
        """Return whether `apply` moves a part of the base's weights into the trained weights.

        Another machine may compute another part, so a run keeps the trained weights that it began
        with, and `take_start` puts them back.
        """
        return False

    def take_start(self, model: Whisper, start: Mapping[str, Tensor]) -> None:
        """Give a model, right after `apply`, these trained weights, in place.

        Its outputs stay those of the base. Only for strategies whose `moves_base` is true.
        """
        raise AssertionError("no start is kept: `apply` gives the same weights everywhere")

    @abstractmethod
    def frozen_prefix(self, model: Whisper) -> int:
        """Return how many bottom encoder layers, with the stem, keep their output in training."""

    @property
    @abstractmethod
    def draws_at_random(self) -> bool:
        """Return whether `apply` draws new weights from its seed."""

    @abstractmethod
    def merge(self, model: Whisper) -> Whisper:
        """Return a plain Whisper with equal outputs. Raises CannotMergeError if there is none."""

    why_not_merged: ClassVar[str | None] = None
    """Why no plain Whisper gives the same outputs; None where one does."""

    @property
    def can_merge(self) -> bool:
        """Return whether a plain Whisper can give the same outputs."""
        return self.why_not_merged is None

    @abstractmethod
    def check_mean(self, seeds: Sequence[int], config: WhisperConfig) -> None:
        """Raise ConfigError if runs with these seeds have no meaningful mean on such a Whisper."""

    @abstractmethod
    def average(
        self, base: Whisper, runs: Sequence[Trained], alpha: float
    ) -> "tuple[Strategy, dict[str, Tensor]]":
        """Return the mean of runs of this strategy, interpolated with their base.

        The result is base + alpha (mean - base), with alpha in [0, 1]: 1 is the mean, 0 the base.
        `base` is on the CPU and is not changed. The first value is the strategy that holds the
        result, the same for every alpha; the second has its trained weights, in float32. Raises
        ConfigError if these runs have no meaningful mean (see `check_mean`).
        """

    @property
    @abstractmethod
    def is_adapter(self) -> bool:
        """Return whether the trained part can be disabled, which gives the base's outputs."""

    @abstractmethod
    def adapters_disabled(self, model: Whisper) -> AbstractContextManager[None]:
        """Disable the adapters: inside the block, the model gives exactly the base's outputs.

        Raises NotAdapterError where it is no adapter: training changed the base's own weights.
        """


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator inside the block; afterwards its state is as before."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def trained_parameters(model: Whisper) -> dict[str, Tensor]:
    """Return the parameters that train, by name: a checkpoint keeps exactly these."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def load_trained(model: Whisper, tensors: dict[str, Tensor], origin: str) -> None:
    """Put trained values into a model to which the same strategy was applied.

    Raises DataError, listing the names, when they are not exactly the ones that train.
    """
    ours = trained_parameters(model)
    odd = sorted(set(ours) ^ set(tensors))
    odd += [name for name in set(ours) & set(tensors) if ours[name].shape != tensors[name].shape]
    if odd:
        raise DataError(
            f"{origin}: {len(odd)} tensors do not fit this base and strategy: {odd[:5]}; "
            "load it with the base and strategy it was trained with"
        )
    for name, parameter in ours.items():
        parameter.data.copy_(tensors[name])
