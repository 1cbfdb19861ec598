"""Show a progress bar, or progress lines, while recordings are transcribed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import Progress

from mothertongue.system.console import RareLines, plain, progress_bar


class RecordingsProgress:
    """A display of how many recordings are done, and of the position in the current one."""

    def __init__(self, bar: Progress, total: int) -> None:
        self.bar, self.count, self.total = bar, 0, total
        self.task = bar.add_task("transcribing", total=total, detail="")
        self.lines = RareLines()

    def read(self, path: Path, seconds: float) -> None:
        """Show the seconds of a recording that were read so far."""
        minutes, rest = divmod(int(seconds), 60)
        self.bar.update(self.task, detail=f"{plain(path.name)} {minutes}:{rest:02}")
        place = f"{self.count:,}/{self.total:,} done, {path.name} at {minutes}:{rest:02}"
        self.lines.note(f"transcribing: {place}")

    def done(self) -> None:
        """Count a recording whose transcript is written."""
        self.count += 1
        self.bar.update(self.task, completed=self.count)


@contextmanager
def recordings_progress(total: int) -> Iterator[RecordingsProgress]:
    """Show a progress bar of recordings that are done."""
    with progress_bar() as bar:
        yield RecordingsProgress(bar, total)
