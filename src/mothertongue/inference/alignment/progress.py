"""Show how many rows are checked, and how much of a long recording is transcribed."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress

from mothertongue.data.clip_checks import LongClip
from mothertongue.system.console import RareLines, plain, progress_bar


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
