"""What tests of comparisons share."""

from collections.abc import Callable, Sequence

from mothertongue.comparison.grid import Grid
from mothertongue.comparison.workers import Task

MakeGrid = Callable[..., Grid]


class Quiet:
    """A watcher that remembers which tasks there were."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def started(self, task: Task) -> None: ...

    def ended(self, task: Task, ok: bool) -> None:
        self.done.append(task.name)

    def waiting(self, running: Sequence[Task]) -> None: ...
