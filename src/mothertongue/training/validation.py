"""The contract of validators."""

from typing import Protocol

from mothertongue.experiment.validation import Validation
from mothertongue.training.signals import StopRequest


class Validator(Protocol):
    """Decodes the validation split. Both calls return None when they were asked to stop."""

    @property
    def clips(self) -> int:
        """How many clips the split has."""

    def __call__(self, stop: StopRequest, clips: int) -> Validation | None:
        """Rates and loss on the first clips, at the context that the run trains at."""

    def at_full_context(self, stop: StopRequest) -> Validation | None:
        """Rates, without loss, on all clips at 30 s, as the test is decoded."""
