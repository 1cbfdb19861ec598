"""Read the cells of an .ods spreadsheet of unknown origin, such as LibreOffice's.

A cell or row that repeats is written once with its count. Empty ones fill a sheet to its end, with
counts of 16,384 and 1,048,576.
"""

from typing import IO, Any
from xml.parsers import expat

from mothertongue.data.sources.readers import CHUNK_BYTES

MAX_CELLS = 1 << 22  # in memory, without the empty ones at the end of rows
MAX_SPACES = 100
CELLS = ("table:table-cell", "table:covered-table-cell")
NUMBERS = ("float", "percentage", "currency")
Values = tuple[str, Any, str]
"""A cell's kind, value and number format, as in `workbooks.Cell`."""


class Sheets:
    """A parser of a spreadsheet. `rows` has the number and the cells of each row that is not empty,
    by the names of the sheets."""

    def __init__(self) -> None:
        self.rows: dict[str, list[tuple[int, list[Values]]]] = {}
        self._sheet: list[tuple[int, list[Values]]] = []
        self._number = self._num_cells = self._skipped = self._empty = 0
        self._row: list[Values] = []
        self._cell: dict[str, str] | None = None
        self._text: list[str] = []

    def read(self, content: IO[bytes]) -> None:
        """Read the part content.xml. Raises ValueError for too many cells, and others."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        while chunk := content.read(CHUNK_BYTES):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _local(tag)
        facts = {_local(key): value for key, value in attributes.items()}
        if self._skipped or name == "office:annotation" or name.startswith("drawing:"):
            self._skipped += 1
        elif name == "table:table":
            self._sheet = self.rows.setdefault(facts.get("table:name", ""), [])
            self._number = 0
        elif name == "table:table-row":
            self._row, self._empty = [], 0
            self._repeated_rows = _count(facts, "table:number-rows-repeated")
        elif name in CELLS:
            self._cell, self._text = facts, []
        elif name == "text:p" and self._text:
            self._text.append("\n")
        elif name == "text:s":
            self._text.append(" " * min(_count(facts, "text:c"), MAX_SPACES))
        elif name in ("text:tab", "text:line-break"):
            self._text.append("\n" if name == "text:line-break" else "\t")

    def _characters(self, data: str) -> None:
        if self._cell is not None and not self._skipped:
            self._text.append(data)

    def _end(self, tag: str) -> None:
        name = _local(tag)
        if self._skipped:
            self._skipped -= 1
        elif name in CELLS and self._cell is not None:
            self._add(_value(self._cell, "".join(self._text)), self._cell)
            self._cell = None
        elif name == "table:table-row":
            self._end_row()

    def _add(self, cell: Values, facts: dict[str, str]) -> None:
        count = _count(facts, "table:number-columns-repeated")
        if cell[1] is None:
            self._empty += count
            return
        self._require_modest(len(self._row) + self._empty + count)
        self._row += [("n", None, "")] * self._empty + [cell] * count
        self._empty = 0

    def _end_row(self) -> None:
        first = self._number + 1
        self._number += self._repeated_rows
        if self._row:
            self._num_cells += self._require_modest(len(self._row) * self._repeated_rows)
            self._sheet += [(number, self._row) for number in range(first, self._number + 1)]

    def _require_modest(self, more: int) -> int:
        if self._num_cells + more > MAX_CELLS:
            raise ValueError(f"over {MAX_CELLS:,} cells, those that repeat included")
        return more


def _local(tag: str) -> str:
    """Return `table:table-row` for urn:oasis:names:tc:opendocument:xmlns:table:1.0 table-row."""
    uri, _, name = tag.rpartition(" ")
    return f"{uri.split(':')[-2]}:{name}" if ":" in uri else name


def _count(facts: dict[str, str], name: str) -> int:
    count = int(facts.get(name, "1")[:20])
    if count < 1:
        raise ValueError(f"{name} is {count}")
    return count


def _value(facts: dict[str, str], text: str) -> Values:
    kind = facts.get("office:value-type", "")
    if facts.get("calcext:value-type") == "error":
        return "e", text, ""
    if kind in NUMBERS:
        number = float(facts["office:value"])
        whole = int(number) if number == int(number) else number
        is_plain = text.replace(",", ".") in ("", str(whole))
        return "n", number, "General" if is_plain else text
    if kind == "boolean":
        return "b", facts.get("office:boolean-value") == "true", ""
    if kind in ("date", "time"):
        return "d", f"the {kind} {facts.get(f'office:{kind}-value', text)}", ""
    if not kind and "table:formula" in facts:
        return "f", facts["table:formula"], ""
    said = text or facts.get("office:string-value", "")
    return ("s", said, "") if said.strip() else ("n", None, "")
