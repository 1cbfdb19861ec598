"""Show how many rows are checked, and how much of a long recording is transcribed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.progress import Progress

from mothertongue.data.clip_checks import LongClip
from mothertongue.system.console import LINE_EVERY_S, console, note, plain, progress_bar


class AlignProgress:
    """A display of the rows that are done, and of the pieces of the recording that is aligned."""

    def __init__(self, bar: Progress) -> None:
        self.bar, self.num_rows, self.num_pieces = bar, 0, 0
        self.path: Path | None = None
        self.task = bar.add_task("checking", total=None, detail="")
        self.last_line_s = time.monotonic()

    def rows(self, count: int) -> None:
        """Count rows that are done."""
        self.num_rows += count
        self.bar.update(self.task, completed=self.num_rows)
        self._line(f"checking {self.num_rows:,}")

    def pieces(self, clip: LongClip, count: int) -> None:
        """Count pieces of a recording that were transcribed."""
        if clip.path != self.path:
            self.path, self.num_pieces = clip.path, 0
        self.num_pieces += count
        place = f"{plain(clip.path.name)}: {self.num_pieces:,} pieces transcribed"
        self.bar.update(self.task, detail=place)
        self._line(f"aligning {place}")

    def _line(self, text: str) -> None:
        if not console.is_terminal and time.monotonic() - self.last_line_s > LINE_EVERY_S:
            self.last_line_s = time.monotonic()
            note(text)


@contextmanager
def align_progress() -> Iterator[AlignProgress]:
    """Show a progress bar of rows and pieces."""
    with progress_bar() as bar:
        yield AlignProgress(bar)
