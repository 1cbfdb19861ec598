"""What tests of comparisons share."""

from collections.abc import Callable, Mapping

from mothertongue.comparison.grid import Grid

MakeGrid = Callable[..., Grid]


class Quiet:
    """A watcher that remembers which tasks there were."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def total(self, count: int) -> None: ...

    def started(self, name: str) -> None: ...

    def ended(self, name: str, ok: bool) -> None:
        self.done.append(name)

    def waiting(self, running: Mapping[str, str]) -> None: ...
