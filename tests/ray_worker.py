"""What a Ray worker does, in a plain process that a test can kill."""

import sys

from mothertongue.comparison.ray_task import Place, work
from mothertongue.comparison.tasks import Task


class Board:
    """Takes the news, as Ray's actor would."""

    def __init__(self) -> None:
        self.tell = self

    def remote(self, *news: str) -> None: ...


def works(task: Task, place: Place) -> None:
    """The target of a process."""
    sys.exit(work(task, place, Board()))
