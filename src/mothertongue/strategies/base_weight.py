"""The common part of strategies that train Whisper's own weights."""

from abc import ABC
from contextlib import AbstractContextManager
from typing import ClassVar

from mothertongue.strategies.base import NotAdapterError, Strategy, Whisper
from mothertongue.strategies.learning_rates import Tuned


class BaseWeightStrategy(Strategy, ABC):
    """Weights of the base itself train: the result is a plain Whisper, and the base is gone."""

    tuned: ClassVar[Tuned] = "full"

    @property
    def draws_at_random(self) -> bool:
        """False: training begins with the base's weights."""
        return False

    def merge(self, model: Whisper) -> Whisper:
        """The model itself."""
        return model

    @property
    def is_adapter(self) -> bool:
        """False: the base's own weights train."""
        return False

    def adapters_disabled(self, model: Whisper) -> AbstractContextManager[None]:
        """Raise NotAdapterError: there is nothing to disable."""
        raise NotAdapterError(
            "training changed the base's own weights, so it cannot be switched off; load the base"
        )
