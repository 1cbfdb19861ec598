"""The common part of strategies that train Whisper's own weights."""

from abc import ABC
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

from torch import Tensor
from transformers import WhisperConfig

from mothertongue.errors import ConfigError
from mothertongue.strategies.averaging import Trained, interpolated, mean
from mothertongue.strategies.base import NotAdapterError, Strategy, Whisper
from mothertongue.strategies.learning_rates import Tuned


class BaseWeightStrategy(Strategy, ABC):
    """Trains weights of the base itself: the result is a plain Whisper."""

    tuned: ClassVar[Tuned] = "full"

    def check(self, config: WhisperConfig) -> None:
        """Do nothing: it fits every Whisper."""

    @property
    def draws_at_random(self) -> bool:
        """False: training begins with the base's weights."""
        return False

    def merge(self, model: Whisper) -> Whisper:
        """Return the model itself."""
        return model

    def check_mean(self, seeds: Sequence[int], config: WhisperConfig) -> None:
        """Raise ConfigError if the runs drew new layers from different seeds."""
        if self.draws_at_random and len(set(seeds)) > 1:
            raise ConfigError(
                f"strategy {self!r}: these runs drew new layers from the seeds "
                f"{', '.join(map(str, sorted(set(seeds))))}, so a weight of one has nothing to do "
                "with the same weight of another; expected one seed: average runs that differ in "
                "other settings"
            )

    def average(
        self, base: Whisper, runs: Sequence[Trained], alpha: float
    ) -> tuple[Strategy, dict[str, Tensor]]:
        """Return the mean of each weight that trains (Wortsman et al. 2022a, 2022b)."""
        self.check_mean([each.seed for each in runs], base.config)
        tensors = {
            name: interpolated(
                base.get_parameter(name).detach(),
                mean([each.tensors[name] for each in runs]),
                alpha,
            ).float()
            for name in runs[0].tensors
        }
        return self, tensors

    @property
    def is_adapter(self) -> bool:
        """False: the base's own weights train."""
        return False

    def adapters_disabled(self, model: Whisper) -> AbstractContextManager[None]:
        """Raise NotAdapterError: there is nothing to disable."""
        raise NotAdapterError(
            "training changed the base's own weights, so nothing can be disabled; load the base"
        )
