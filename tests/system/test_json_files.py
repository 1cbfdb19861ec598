"""Files that may be damaged, foreign or of another version: one error, with the path."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mothertongue.errors import DataError
from mothertongue.experiment.records import Identity
from mothertongue.system.json_files import built, checked, read_json, read_json_lines, read_text


@dataclass
class Point:
    x: int
    pair: tuple[float, float] = (0.0, 1.0)


def test_a_record_is_returned_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "identity.json"
    path.write_text('{"base_digest": "b", "manifest_sha256": "m", "more": [1, "ሰላም"]}', "utf-8")
    found = {"base_digest": "b", "manifest_sha256": "m", "more": [1, "ሰላም"]}
    assert read_json(path, Identity) == read_json(path) == found


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe{\x00}\x00", "damaged, or of another version: not UTF-8 (invalid start byte at"),
        (b"", "no JSON (Expecting value"),
        (b"{", "no JSON (Expecting property name"),
        (b"[" * 100_000, "no JSON (maximum recursion depth"),
        (b"null", "all of it: Input should be a valid dictionary; restore it from a copy, or make"),
        (b"{}", "base_digest: Field required"),
        (b'{"base_digest": 3, "manifest_sha256": ""}', "base_digest: Input should be a valid str"),
    ],
)
def test_what_is_wrong_is_said_with_the_path(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "identity.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        read_json(path, Identity)
    assert str(raised.value).startswith(f"{path}: ") and said in str(raised.value)


@pytest.mark.parametrize("name", ["", "none", "file/none"])
def test_what_is_no_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"not there \(.*\); restore it"):
        read_text(tmp_path / name)


def test_lines_are_named_by_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"a": "x\u2028y"}\n[]\n', "utf-8")
    lines = read_json_lines(path)
    assert next(lines)[1] == {"a": "x\u2028y"}
    with pytest.raises(DataError, match=r"metrics\.jsonl:2: damaged"):
        next(lines)
    path.write_text("")
    assert list(read_json_lines(path)) == []


def test_a_dataclass_is_built_of_json() -> None:
    assert built({"x": 3, "pair": [1.5, 2]}, "here", Point) == Point(3, (1.5, 2.0))
    with pytest.raises(DataError, match=r"^here: damaged, .*: x: Input .*; ask its author$"):
        built({"x": "many"}, "here", Point, "ask its author")


@pytest.mark.parametrize("value", [True, "1", 1.5])
def test_nothing_is_taken_for_another_type(value: Any) -> None:
    with pytest.raises(DataError):
        checked({"x": value}, "here", dict[str, int])
