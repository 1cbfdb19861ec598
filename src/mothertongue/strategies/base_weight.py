"""The common part of strategies that train Whisper's own weights."""

from abc import ABC
from contextlib import AbstractContextManager

from mothertongue.strategies.base import NotAdapterError, Strategy, Whisper


class BaseWeightStrategy(Strategy, ABC):
    """Trains weights of the base itself: the result is a plain Whisper."""

    @property
    def draws_at_random(self) -> bool:
        """False: training begins with the base's weights."""
        return False

    def merge(self, model: Whisper) -> Whisper:
        """Return the model itself."""
        return model

    @property
    def is_adapter(self) -> bool:
        """False: the base's own weights train."""
        return False

    def adapters_disabled(self, model: Whisper) -> AbstractContextManager[None]:
        """Raise NotAdapterError: there is nothing to disable."""
        raise NotAdapterError(
            "training changed the base's own weights, so nothing can be disabled; load the base"
        )
