"""What the strategies that train Whisper's own weights have in common."""

from abc import ABC
from collections.abc import Mapping
from contextlib import AbstractContextManager

from torch import Tensor

from mothertongue.strategies.base import NotRemovableError, Strategy, Whisper


class RetrainedStrategy(Strategy, ABC):
    """Weights of the base itself train: the result is a plain Whisper, and the base is gone."""

    @property
    def moves_base(self) -> bool:
        """No: training begins with the base's weights where they are."""
        return False

    def take_start(self, model: Whisper, start: Mapping[str, Tensor]) -> None:
        """Never: `apply` gives the same weights everywhere."""
        raise AssertionError("no start is kept")

    def fold(self, model: Whisper) -> Whisper:
        """The model itself."""
        return model

    @property
    def is_foldable(self) -> bool:
        """Yes: it is one."""
        return True

    @property
    def is_removable(self) -> bool:
        """No."""
        return False

    def switched_off(self, model: Whisper) -> AbstractContextManager[None]:
        """Never."""
        raise NotRemovableError(
            "training changed the base's own weights, so it cannot be switched off; load the base"
        )
