"""Progress of a training run: a bar on a terminal, plain lines elsewhere. No torch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import Progress

from mothertongue.experiment.validation import Validation
from mothertongue.system.console import RareLines, is_main_process, note, progress_bar


class Watcher(Protocol):
    """A receiver of the events of a run: a progress bar, a log, a test."""

    def begun(self, step: int, total_steps: int) -> None: ...
    def stepped(self, step: int, loss: float, learning_rate: float) -> None: ...
    def validated(self, step: int, found: Validation, is_best: bool) -> None: ...
    def noted(self, message: str) -> None: ...


class Quiet:
    """The watcher of the other processes, which does nothing."""

    def begun(self, step: int, total_steps: int) -> None: ...
    def stepped(self, step: int, loss: float, learning_rate: float) -> None: ...
    def validated(self, step: int, found: Validation, is_best: bool) -> None: ...
    def noted(self, message: str) -> None: ...


class CallbackWatcher(Quiet):
    """The watcher for programs, which calls a function with messages."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        self.notify = notify

    def validated(self, step: int, found: Validation, is_best: bool) -> None:
        """Called after every validation."""
        self.notify(_validation_line(step, found, is_best))

    def noted(self, message: str) -> None:
        """Pass the message on."""
        self.notify(message)


class TrainingProgress:
    """The watcher of `training.train` for people."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.task = bar.add_task("training", total=None, detail="")
        self.total_steps, self.lines = 0, RareLines()

    def begun(self, step: int, total_steps: int) -> None:
        """Called once, with the step a continued run starts from."""
        self.total_steps = total_steps
        self.bar.update(self.task, total=total_steps, completed=step)
        if step:
            self.noted(f"continuing after step {step:,} of {total_steps:,}")

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        """Called after every optimizer step; loss in nats per label token."""
        detail = f"loss {loss:.3f}"
        self.bar.update(self.task, completed=step, detail=detail)
        self.lines.note(f"step {step:,}/{self.total_steps:,}  {detail}  rate {learning_rate:.1e}")

    def validated(self, step: int, found: Validation, is_best: bool) -> None:
        """Called after every validation."""
        self.noted(_validation_line(step, found, is_best))

    def noted(self, message: str) -> None:
        """Print a line above the bar."""
        note(message)


def _validation_line(step: int, found: Validation, is_best: bool) -> str:
    line = f"step {step:,}: validation WER {found.wer:.1%}, CER {found.cer:.1%}"
    return line + ("  (best so far)" if is_best else "")


@contextmanager
def training_progress() -> Iterator[TrainingProgress | Quiet]:
    """A bar of optimizer steps with the loss and the time left; of several processes, one bar."""
    if not is_main_process():
        yield Quiet()
        return
    with progress_bar() as bar:
        yield TrainingProgress(bar)
