"""Keep results in a file of JSON lines, each with its key, so that work that was stopped goes on.

No torch.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mothertongue.system.files import reporting_disk_full
from mothertongue.system.json_files import built, parse_json, read_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


class LineCache(Generic[T]):
    """Results of a dataclass by their keys. A last line that a kill cut off is removed."""

    def __init__(self, path: Path, kind: type[T], remedy: str) -> None:
        """Read the file, if it is there. Raises DataError, with `remedy`, if it is damaged."""
        self._path = path
        self.known: dict[str, T] = {}
        if not path.is_file():
            return
        *lines, rest = read_text(path, remedy).split("\n")
        if rest:
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size - len(rest.encode()))
        for number, line in enumerate(lines, start=1):
            record = parse_json(line, f"{path}:{number}", dict[str, Any], remedy)
            key = record.pop("key", "")
            self.known[key] = built(record, f"{path}:{number}", kind, remedy)

    def add(self, results: Mapping[str, T]) -> None:
        """Append results to the file, and remember them."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            json.dumps({"key": key, **asdict(each)}, ensure_ascii=False) + "\n"
            for key, each in results.items()
        ]
        with reporting_disk_full(self._path), self._path.open("a", encoding="utf-8") as file:
            file.writelines(lines)
        self.known |= results
