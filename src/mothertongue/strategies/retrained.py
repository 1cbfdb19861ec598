"""What the strategies that train Whisper's own weights have in common."""

from abc import ABC
from collections.abc import Mapping
from contextlib import AbstractContextManager

from torch import Tensor

from mothertongue.strategies.base import NotAdapterError, Strategy, Whisper


class BaseWeightStrategy(Strategy, ABC):
    """Weights of the base itself train: the result is a plain Whisper, and the base is gone."""

    @property
    def moves_base(self) -> bool:
        """No: training begins with the base's weights where they are."""
        return False

    def take_start(self, model: Whisper, start: Mapping[str, Tensor]) -> None:
        """Never: `apply` gives the same weights everywhere."""
        raise AssertionError("no start is kept")

    def merge(self, model: Whisper) -> Whisper:
        """The model itself."""
        return model

    @property
    def can_merge(self) -> bool:
        """Yes: it is one."""
        return True

    @property
    def is_adapter(self) -> bool:
        """No."""
        return False

    def adapters_disabled(self, model: Whisper) -> AbstractContextManager[None]:
        """Never."""
        raise NotAdapterError(
            "training changed the base's own weights, so it cannot be switched off; load the base"
        )
