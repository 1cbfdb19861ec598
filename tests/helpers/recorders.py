"""A recorder for a machine without a GPU: it calls again instead of replaying."""

from collections.abc import Callable


class Again:
    """A recorder whose replay calls the function in the places that it would have captured."""

    def __init__(self) -> None:
        self.captured = self.replayed = 0

    def record(self, function: Callable[[], None]) -> Callable[[], None]:
        self.captured += 1

        def replay() -> None:
            self.replayed += 1
            function()

        return replay
