"""Log at most a few lines a minute for each message, so that clients cannot fill the log."""

import logging

LINES = 5
MINUTE_S = 60.0


def set_up() -> None:
    """Log warnings and errors to standard error, a few of each."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s: %(message)s"))
    handler.addFilter(Sparing())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


class Sparing(logging.Filter):
    """Passes LINES records a minute from each line of code that logs.

    The first of a later minute says how many were left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._minutes: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to log the record."""
        place = record.pathname, record.lineno
        began_s, count = self._minutes.get(place, (record.created, 0))
        if record.created - began_s >= MINUTE_S:
            if count > LINES:
                record.msg = f"{record.getMessage()} (and {count - LINES} more like it before)"
                record.args = ()
            began_s, count = record.created, 0
        self._minutes[place] = began_s, count + 1
        return count < LINES
