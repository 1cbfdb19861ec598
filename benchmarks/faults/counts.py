"""How much of the campaign is run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """The whole of it, unless told otherwise."""

    every: int = 1  # one of so many malformed inputs
    mutants: int = 100_000
    strategies: int = 5
    kills: int = 20  # a verb
    sizes: int = 30  # of disks, a verb
    reduced: bool = False  # of the server's part
    verbs: int = 6  # to kill and to give a full disk, the first of their lists
    verb: str | None = None  # to kill, this one alone


REDUCED = Counts(every=30, mutants=2000, strategies=1, kills=1, sizes=2, reduced=True, verbs=2)
"""For the tests."""
