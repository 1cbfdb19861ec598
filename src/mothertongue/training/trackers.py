"""Logging of a run's metrics to trackers, see `experiment/trackers`.

Each has a thread of its own here, since a server
may take minutes to fail: a tracker that is dead, slow or wrong never stops or delays a run. The
run's own `metrics.jsonl` has all of it in any case.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mothertongue.errors import ConfigError
from mothertongue.experiment.trackers import open_tracker

LAST_WORDS_S = 30.0
"""How long a finished run waits for its trackers to take what is left."""
Values = dict[str, Any]


class Trackers:
    """All trackers of one run."""

    def __init__(
        self,
        names: Sequence[str],
        run: Path,
        settings: Mapping[str, Any],
        noted: Callable[[str], None],
    ) -> None:
        """`settings` are logged once, flat. Raises ConfigError for a tracker that is not installed.

        `noted` is called once for each tracker that dies.
        """
        if missing := [name for name in names if find_spec(name) is None]:
            raise ConfigError(
                f"train.trackers: {', '.join(missing)} not installed; pip install "
                f"{' '.join(missing)}, or remove it"
            )
        self._threads = [_Thread(name, run, settings, noted) for name in names]

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """Log the numbers among the values after an optimizer step; return at once."""
        numbers = {name: value for name, value in values.items() if isinstance(value, float)}
        for each in self._threads:
            each.say((step, numbers))

    def close(self) -> None:
        """Let each tracker log what is left and end its record, for LAST_WORDS_S at most."""
        for each in self._threads:
            each.say(None)
        for each in self._threads:
            each.end()


class _Thread:
    def __init__(
        self,
        name: str,
        run: Path,
        settings: Mapping[str, Any],
        noted: Callable[[str], None],
    ) -> None:
        self._name, self._run, self._settings, self._noted = name, run, settings, noted
        self._said: queue.SimpleQueue[tuple[int, Values] | None] = queue.SimpleQueue()
        self._is_dead = False
        self._thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def say(self, values: tuple[int, Values] | None) -> None:
        if not self._is_dead:
            self._said.put(values)

    def end(self) -> None:
        self._thread.join(LAST_WORDS_S)
        if self._thread.is_alive():
            self._die(f"did not answer for {LAST_WORDS_S:.0f} s")

    def _work(self) -> None:
        try:
            tracker = open_tracker(self._name, self._run)
            tracker.start()
            tracker.store_init_configuration(dict(self._settings))
            while (said := self._said.get()) is not None:
                step, values = said
                tracker.log(values, step=step)
            tracker.finish()
        except (Exception, SystemExit) as error:  # theirs, of any kind: the run goes on
            self._die(f"{type(error).__name__}: {error}")

    def _die(self, reason: str) -> None:
        self._is_dead = True
        self._noted(f"{self._name} takes no more ({reason}); the run goes on, see metrics.jsonl")


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str | int | float | bool]:
    """Nested settings by dotted name, as values that every tracker takes."""
    found: dict[str, str | int | float | bool] = {}
    for name, value in settings.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{key}.")
        else:
            found[key] = value if isinstance(value, str | int | float | bool) else str(value)
    return found
