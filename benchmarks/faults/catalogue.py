"""Faults that a tool for speech meets, numbered, with the tests that hold each of them."""

import csv
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("catalogue.tsv")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault; without a test, `note` says why."""

    number: int
    fault: str
    tests: tuple[str, ...]  # FILE::TEST below tests/
    note: str


def read_catalogue() -> list[Fault]:
    """Every fault, in the order of its number."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Fault(int(row["number"]), row["fault"], tuple(row["tests"].split()), row["note"])
            for row in rows
        ]
