"""Read JSON files that may be damaged or from another version: one error, with the path. No torch.

A shape is any type that pydantic knows. Records have TypedDicts: the keys that their readers rely
on, of the types they rely on; a record may have more.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, NotRequired, TypeVar

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12

from mothertongue.errors import DataError

REMEDY = "restore it from a copy, or make it again"
FORMAT_VERSION = 1
"""The version of the records that this package writes; it reads those of before, without one."""
T = TypeVar("T")


class Record(TypedDict):
    """A JSON object that a verb writes to disk, with its format version."""

    format_version: NotRequired[Literal[1]]


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


def read_json(path: Path, shape: Any = dict[str, Any], remedy: str = REMEDY) -> Any:
    """Return the JSON value in a file. Raises DataError where it is damaged or of another shape."""
    return parse_json(read_text(path, remedy), path, shape, remedy)


def read_json_lines(
    path: Path, shape: Any = dict[str, Any], remedy: str = REMEDY
) -> Iterator[tuple[str, Any]]:
    """Yield each line of a file with the JSON value in it. Raises DataError naming the line."""
    lines = read_text(path, remedy).split("\n")  # splitlines would end them within strings too
    for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, start=1):
        yield line, parse_json(line, f"{path}:{number}", shape, remedy)


def parse_json(text: str, origin: Path | str, shape: Any, remedy: str = REMEDY) -> Any:
    """Return the JSON value in a text from `origin`, which may be a path and a line."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(origin, f"no JSON ({error})", remedy) from None
    return checked(value, origin, shape, remedy)


def checked(value: Any, origin: Path | str, shape: Any, remedy: str = REMEDY) -> Any:
    """Return a JSON value unchanged after checking its shape."""
    _validated(value, origin, shape, remedy, strict=True)
    return value


def built(value: Any, origin: Path | str, cls: type[T], remedy: str = REMEDY) -> T:
    """Return a JSON value as the dataclass `cls`. Raises DataError if it has another shape."""
    instance: T = _validated(value, origin, cls, remedy, strict=False)
    return instance


def _validated(value: Any, origin: Path | str, shape: Any, remedy: str, *, strict: bool) -> Any:
    try:
        return _adapter(shape).validate_python(value, strict=strict)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise _damaged(origin, f"{place or 'all of it'}: {fault['msg']}", remedy) from None


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def _damaged(origin: Path | str, what: str, remedy: str) -> DataError:
    return DataError(f"{origin}: damaged, or of another version: {what}; {remedy}")
