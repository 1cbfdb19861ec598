"""Show the progress of a comparison: its processes, and the number of finished tasks."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Group
from rich.live import Live
from rich.table import Table

from mothertongue.system.console import RareLines, console, note, progress_bar


class TaskProgress:
    """A display of a comparison's running processes and of the number of finished tasks."""

    def __init__(self, live: Live) -> None:
        self.live, self.bar = live, progress_bar()
        self.task = self.bar.add_task("comparing", total=None, detail="")
        self.done, self.lines = 0, RareLines()

    def total(self, count: int) -> None:
        """Called before each stage, with the number of its tasks."""
        self.done = 0
        self.bar.update(self.task, total=count, completed=0)

    def started(self, name: str) -> None:
        """Called when a process starts."""
        self.noted(f"started {name}")

    def ended(self, name: str, ok: bool) -> None:
        """Called when a process has ended, well or not."""
        self.done += 1
        self.bar.update(self.task, completed=self.done)
        self.noted(f"{'done' if ok else 'FAILED'}    {name}")

    def waiting(self, running: Mapping[str, str]) -> None:
        """Called a few times a second, with the last status of each process that runs."""
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, word in running.items():
            table.add_row(name, word)
        self.live.update(Group(table, self.bar))
        self.lines.note("running " + "; ".join(f"{name} {word}" for name, word in running.items()))

    def noted(self, message: str) -> None:
        """Print a line above the table."""
        note(message)


@contextmanager
def task_progress() -> Iterator[TaskProgress]:
    """Show a table of running processes, and a bar of finished tasks."""
    with Live(console=console, transient=True, auto_refresh=console.is_terminal) as live:
        yield TaskProgress(live)
