"""A fault of one row or file: a stable code, what is wrong, and what to do about it."""

from mothertongue.errors import DataError


class Fault(DataError):
    """What makes a row, a clip or a table unusable.

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
