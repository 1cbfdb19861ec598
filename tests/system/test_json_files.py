"""Documents that may be damaged, foreign or of another version: one error, with the path."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mothertongue.config import Config
from mothertongue.errors import DataError
from mothertongue.system.files import write_json
from mothertongue.system.json_files import (
    Document,
    absent,
    field_values,
    parse_json,
    read_json,
    read_json_lines,
    read_text,
    to_json,
)


class Settings(Config):
    """Settings within a document."""

    path: Path


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    pair: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Drawing(Document):
    name: str
    points: list[Point]
    by_name: dict[str, Point] = field(default_factory=dict)
    note: str | None = None
    hidden: str | None = absent()
    count: int = absent(0)

    ALSO_WRITTEN = ("size",)

    @property
    def size(self) -> int:
        return len(self.points)


@pytest.mark.parametrize(
    ("drawing", "written"),
    [
        (Drawing("ሰላም", [Point(3)]), {"points": [{"x": 3, "pair": [0.0, 1.0]}], "size": 1}),
        (Drawing("ሰላም", [], hidden="x", count=2), {"hidden": "x", "count": 2}),
    ],
)
def test_a_document_is_written_and_read(tmp_path: Path, drawing: Drawing, written: Any) -> None:
    plain = {"format_version": 1, "name": "ሰላም", "points": [], "by_name": {}, "note": None}
    assert to_json(drawing) == plain | {"size": 0} | written
    write_json(tmp_path / "x.json", drawing)
    assert "ሰላም" in (tmp_path / "x.json").read_text("utf-8")
    assert read_json(tmp_path / "x.json", Drawing) == drawing


def test_keys_of_other_versions_are_left_out() -> None:
    assert parse_json('{"x": 1, "later": [1]}', "here", Point) == Point(1)


def test_configurations_are_written_too_and_nothing_else() -> None:
    assert to_json([Settings(path=Path("a"))]) == [{"path": "a"}]
    with pytest.raises(TypeError, match="set has no JSON form"):
        to_json({1})


def test_fields_are_given_as_they_are() -> None:
    assert field_values(Drawing("a", [Point(1)]))["points"] == [Point(1)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe{\x00}\x00", "damaged, or of another version: not UTF-8 (invalid start byte at"),
        (b"", "no JSON (EOF while parsing a value"),
        (b"{", "no JSON (EOF while parsing an object"),
        (b"[" * 100_000, "no JSON (recursion limit exceeded"),
        (b"null", "all of it: Input should be an object; restore it from a copy, or make"),
        (b"{}", "name: Field required"),
        (b'{"format_version": 2}', "format_version: Input should be 1"),
        (b'{"name": 3, "points": []}', "name: Input should be a valid str"),
        (b'{"name": "", "points": [{"x": 1.5}]}', "points.0.x: Input should be a valid int"),
        (b'{"name": "", "points": [{"x": 1, "pair": [1, 2, 3]}]}', "points.0.pair: Tuple should"),
    ],
)
def test_what_is_wrong_is_said_with_the_path(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "drawing.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        read_json(path, Drawing)
    assert str(raised.value).startswith(f"{path}: ") and said in str(raised.value)


@pytest.mark.parametrize("name", ["", "none", "file/none"])
def test_what_is_no_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"not there \(.*\); restore it"):
        read_text(tmp_path / name)


def test_lines_are_named_by_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"a": "x\u2028y"}\n[]\n', "utf-8")
    lines = read_json_lines(path, dict[str, Any])
    assert next(lines)[1] == {"a": "x\u2028y"}
    with pytest.raises(DataError, match=r"metrics\.jsonl:2: damaged"):
        next(lines)
    path.write_text("")
    assert list(read_json_lines(path, dict[str, Any])) == []


@pytest.mark.parametrize("value", ["true", '"1"', "1.5"])
def test_nothing_is_taken_for_another_type(value: str) -> None:
    with pytest.raises(DataError, match=r"^here: damaged, .*: x: Input .*; ask its author$"):
        parse_json(f'{{"x": {value}}}', "here", Point, "ask its author")
