"""Signals that ask a run to stop: the first lets it save, a second Ctrl-C does not wait."""

import signal
import threading
from types import FrameType, TracebackType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)


class StopRequest:
    """While entered, remembers the first stop signal instead of dying of it.

    Slurm warns with SIGTERM or SIGUSR2, a lost terminal with SIGHUP, a person with SIGINT.
    """

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def name(self) -> str:
        """The signal's name, such as SIGTERM."""
        assert self.signal is not None
        return signal.Signals(self.signal).name

    @property
    def is_interrupt(self) -> bool:
        """Whether a person pressed Ctrl-C."""
        return self.signal == signal.SIGINT

    def __enter__(self) -> "StopRequest":
        # Python lets only the main thread handle signals; a thread's run is stopped by its owner.
        self._previous = {}
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = self.signal or number
