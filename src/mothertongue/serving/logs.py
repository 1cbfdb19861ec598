"""A log that does not grow with what clients do: of each message a few lines a minute."""

import logging

LINES = 5
MINUTE_S = 60.0


def set_up() -> None:
    """Log warnings and errors to standard error, sparingly."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s: %(message)s"))
    handler.addFilter(Sparing())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class Sparing(logging.Filter):
    """Let LINES records a minute through from each line of code that logs.

    The first of a later minute says how many were left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._minutes: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it."""
        place = record.pathname, record.lineno
        began_s, count = self._minutes.get(place, (record.created, 0))
        if record.created - began_s >= MINUTE_S:
            if count > LINES:
                record.msg = f"{record.getMessage()} (and {count - LINES} more like it before)"
                record.args = ()
            began_s, count = record.created, 0
        self._minutes[place] = began_s, count + 1
        return count < LINES
