"""The log stays small whatever clients do."""

import logging

from mothertongue.serving.logs import LINES, Sparing


def record(line: int, created: float) -> logging.LogRecord:
    made = logging.LogRecord("a", logging.WARNING, "a.py", line, "of %s", ("x",), None)
    made.created = created
    return made


def test_a_few_lines_a_minute_and_how_many_were_left_out() -> None:
    sparing = Sparing()
    said = [sparing.filter(record(1, 0.01 * i)) for i in range(1000)]
    assert said == [True] * LINES + [False] * (1000 - LINES)
    assert sparing.filter(record(2, 11.0)), "another message is not held back"
    later = record(1, 61.0)
    assert sparing.filter(later)
    assert later.getMessage() == f"of x (and {1000 - LINES} more like it before)"
    quiet = record(2, 200.0)
    assert sparing.filter(quiet) and quiet.getMessage() == "of x"
