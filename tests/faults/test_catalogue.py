"""Every known fault has a test that exists, or a reason."""

import ast
from pathlib import Path

from faults.catalogue import read_catalogue

TESTS = Path(__file__).parents[1]


def names(path: Path) -> set[str]:
    """The tests of a file, those in classes too."""
    found = ast.walk(ast.parse(path.read_text("utf-8")))
    return {each.name for each in found if isinstance(each, ast.FunctionDef)}


def test_all_are_there_once_in_order() -> None:
    assert [each.number for each in read_catalogue()] == list(range(1, 98))


def test_each_has_a_test_that_exists_or_says_why_not() -> None:
    for fault in read_catalogue():
        assert fault.tests or fault.note, fault
        for test in fault.tests:
            file, _, name = test.partition("::")
            assert (TESTS / file).is_file(), test
            assert name in names(TESTS / file), test
