"""Show a progress bar, or progress lines, while recordings are transcribed or aligned."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import Progress

from mothertongue.data.clip_checks import LongClip
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


class AlignProgress:
    """A display of the rows that are done, and of the pieces of the recording that is aligned."""

    def __init__(self, bar: Progress) -> None:
        self.bar, self.num_rows = bar, 0
        self.name, self.num_pieces = "", 0
        self.task = bar.add_task("checking", total=None, detail="")
        self.lines = RareLines()

    def rows(self, count: int) -> None:
        """Count rows that are done."""
        self.num_rows += count
        self.bar.update(self.task, completed=self.num_rows)
        self.lines.note(f"checking {self.num_rows:,}")

    def recording(self, clip: LongClip) -> None:
        """Show which recording is transcribed now."""
        self.name, self.num_pieces = plain(clip.path.name), 0
        self.pieces(0)

    def pieces(self, count: int) -> None:
        """Count pieces of the recording that were transcribed."""
        self.num_pieces += count
        place = f"{self.name}: {self.num_pieces:,} pieces transcribed"
        self.bar.update(self.task, detail=place)
        self.lines.note(f"aligning {place}")


@contextmanager
def align_progress() -> Iterator[AlignProgress]:
    """Show a progress bar of rows and pieces."""
    with progress_bar() as bar:
        yield AlignProgress(bar)
