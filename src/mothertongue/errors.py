"""Errors that an input causes: each has one clear message and one exit code.

A message says what, got, expected, and what to do next. The command line prints it without a
traceback.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class MothertongueError(ValueError):
    """An error that a user can cause and correct."""

    exit_code = 1


class ConfigError(MothertongueError):
    """A wrong option, experiment or combination of settings."""

    exit_code = 2


class DataError(MothertongueError):
    """Data, weights or records that are missing, damaged or of the wrong kind."""

    exit_code = 65


@contextmanager
def refusing(path: Path, expected: str) -> Iterator[None]:
    """Turn every error inside into a DataError: the file is not what was `expected`.

    It stands around the readers of others' formats, which fail on a damaged or hostile file in more
    ways than can be listed.
    """
    try:
        yield
    except (MothertongueError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{path}: not {expected} ({type(error).__name__}: {reason}); copy it again, or use "
            "another"
        ) from error


class DiskFull(MothertongueError):
    """A disk, or a user's quota on it, has no room for the files to write."""


class Preempted(MothertongueError):
    """The run was asked to stop; it saved a checkpoint and continues when called again."""

    exit_code = 75


class Interrupted(Preempted):
    """The run was asked to stop with Ctrl-C; like `Preempted`, it continues when called again."""

    exit_code = 130


class Fault(DataError):
    """A fault that makes a row, a clip or a table unusable.

    The three parts are the exception's own arguments, so a fault survives being pickled by a
    worker process.
    """

    def __init__(self, code: str, reason: str, fix: str) -> None:
        super().__init__(code, reason, fix)
        self.code = code
        self.reason = reason
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}; {self.fix}"
