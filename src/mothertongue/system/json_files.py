"""Read and write JSON files as dataclasses; what is damaged is one error, with the path. No torch.

A document on disk is a frozen dataclass. Reading checks each of its fields, and ignores other keys.
Writing gives all fields, but for those of `absent` without a value, and the properties that the
class names in ALSO_WRITTEN.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from mothertongue.errors import DataError

REMEDY = "restore it from a copy, or make it again"
FORMAT_VERSION: Literal[1] = 1
"""The version of the documents that this package writes; it reads those of before, without one."""
ABSENT = "absent"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A JSON object that is a file, with its format version."""

    format_version: Literal[1] = FORMAT_VERSION


def absent(default: Any = None) -> Any:
    """Return the default of a field whose key is not written where the field has this value."""
    return field(default=default, metadata={ABSENT: True})


def read_text(path: Path, remedy: str = REMEDY) -> str:
    """Return the text of a UTF-8 file. Raises DataError where it is no file, or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _damaged(
            path, f"not UTF-8 ({error.reason} at byte {error.start:,})", remedy
        ) from None
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise DataError(f"{path}: not there ({error.strerror}); {remedy}") from None


def read_json(path: Path, shape: type[T], remedy: str = REMEDY) -> T:
    """Return the JSON value in a file as `shape`: a dataclass, or a type of plain values.

    Raises DataError where the file is damaged or has another shape.
    """
    return parse_json(read_text(path, remedy), path, shape, remedy)


def read_json_lines(path: Path, shape: type[T], remedy: str = REMEDY) -> Iterator[tuple[str, T]]:
    """Yield each line of a file with the JSON value in it. Raises DataError naming the line."""
    lines = read_text(path, remedy).split("\n")  # splitlines would end them within strings too
    for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, start=1):
        yield line, parse_json(line, f"{path}:{number}", shape, remedy)


def parse_json(text: str, origin: Path | str, shape: type[T], remedy: str = REMEDY) -> T:
    """Return the JSON value in a text from `origin`, which may be a path and a line."""
    key: Any = shape
    try:
        # From the text: strict, pydantic takes a Python list for no tuple, and a dict for no object
        value: T = _adapter(key).validate_json(text, strict=True)
    except ValidationError as error:
        # Another version is told first: what else is wrong may come of it.
        fault = min(error.errors(), key=lambda each: each["loc"][-1:] != ("format_version",))
        if fault["type"] == "json_invalid":
            raise _damaged(origin, f"no JSON ({fault['ctx']['error']})", remedy) from None
        place = ".".join(map(str, fault["loc"]))
        raise _damaged(origin, f"{place or 'all of it'}: {fault['msg']}", remedy) from None
    return value


def built(value: Any, origin: Path | str, cls: type[T], remedy: str = REMEDY) -> T:
    """Return a JSON value as the dataclass `cls`. Raises DataError if it has another shape."""
    return parse_json(json.dumps(value), origin, cls, remedy)


def to_json(value: Any) -> Any:
    """Return a value, with all dataclasses and configurations in it, as plain JSON values."""
    return json.loads(json.dumps(value, default=plain_values))


def plain_values(value: Any) -> dict[str, Any]:
    """Return the keys and values of a dataclass or a configuration: the `default` of json.dump."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    pairs = [(each, getattr(value, each.name)) for each in fields(value)]
    written = {
        each.name: found
        for each, found in pairs
        if not (each.metadata.get(ABSENT) and found == each.default)
    }
    return written | {name: getattr(value, name) for name in getattr(value, "ALSO_WRITTEN", ())}


def field_values(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as they are: for one that has them too."""
    return {each.name: getattr(value, each.name) for each in fields(value)}


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def _damaged(origin: Path | str, what: str, remedy: str) -> DataError:
    return DataError(f"{origin}: damaged, or of another version: {what}; {remedy}")
