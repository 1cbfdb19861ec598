"""Read a table in a workbook, .xlsx or .ods: the first sheet that has its columns."""

from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, Self
from zipfile import ZipFile, ZipInfo

from mothertongue.data.folders import shown
from mothertongue.data.sources.base import Rejection, Row, reject
from mothertongue.data.sources.columns import (
    REQUIRED,
    ColumnSource,
    find_columns,
    known_columns,
)
from mothertongue.data.sources.readers import Located
from mothertongue.data.sources.table import SUFFIXES, table_rows
from mothertongue.data.sources.workbooks import Cell, Rows, opened
from mothertongue.errors import Fault

READ = (".xlsx", ".ods")
OTHERS = (".xls", ".xlsm", ".xlsb")
NUMBERS = ("start_s", "end_s", "duration_s", "start_ms", "end_ms", "duration_ms")
PLAIN_FORMATS = ("General", "0", "@")
EXACT_BELOW = 10**15  # Excel keeps 15 digits


def _example() -> bytes:
    """Return a workbook with a sheet of one clip."""
    schemas = "http://schemas.openxmlformats.org"
    package, main = f"{schemas}/package/2006", f"{schemas}/spreadsheetml/2006/main"
    office = f"{schemas}/officeDocument/2006/relationships"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Override '
        f'PartName="/xl/workbook.xml" ContentType="{kind}"/></Types>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="Clips" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/>'
        "</Relationships>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>'
        '<row r="1"><c t="str"><v>audio</v></c><c t="str"><v>text</v></c></row>'
        '<row r="2"><c t="str"><v>a.wav</v></c><c t="str"><v>hi</v></c></row>'
        "</sheetData></worksheet>",
    }
    return _zipped(parts)


def _ods_example() -> bytes:
    """Return such a workbook as LibreOffice writes it: empty cells and rows repeat to its end."""
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    rows = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{text}</text:p>'
            "</table:table-cell>"
            for text in texts
        )
        + '<table:table-cell table:number-columns-repeated="16382"/></table:table-row>'
        for texts in (("audio", "text"), ("a.wav", "hi"))
    )
    end = (
        '<table:table-row table:number-rows-repeated="1048574"><table:table-cell '
        'table:number-columns-repeated="16384"/></table:table-row>'
    )
    return _zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": "<manifest/>",
            "content.xml": f"<office:document-content {names}><office:body><office:spreadsheet>"
            f'<table:table table:name="Clips">{rows}{end}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        }
    )


def _zipped(parts: Mapping[str, str]) -> bytes:
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(ZipInfo(name), text)  # without the time of today
    return file.getvalue()


class ExcelSource(ColumnSource):
    """A workbook, or a folder with one and no other table.

    The first row of a sheet that is not empty names the columns. Cells are read as a CSV file would
    have them. What Excel shows otherwise than it stores is a Rejection: dates, percentages, errors.
    """

    examples = (
        {"corpus.xlsx": _example(), "a.wav": ""},
        {"corpus.ods": _ods_example(), "a.wav": ""},
    )
    precedence = 97

    kind: Literal["excel"] = "excel"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize .xlsx by its suffix, and other spreadsheets, to say what to save them as."""
        return _workbook(path) is not None

    @classmethod
    def at(cls, path: Path, settings: Mapping[str, Any]) -> Self:
        """Return the source of a workbook, or of the only one in a folder."""
        return cls(path=_workbook(path) or path, **settings)

    def rows(self) -> Iterator[Row | Rejection]:
        self._remarks.clear()
        if self.path.suffix.lower() not in READ:
            reason = f"{self.path}: a {self.path.suffix} spreadsheet; expected {' or '.join(READ)}"
            raise Fault("MAN-FORMAT", reason, "save it as .xlsx, or as CSV")
        with opened(self.path) as book:
            name, header, rows = self._sheet(book)
            columns = find_columns(header, Path(f"{self.path}:{name}"), self.chosen)
            records = _records(self.path, name, header, columns, rows)
            yield from table_rows(self.path, header, records, self.chosen)

    def _sheet(self, book: Mapping[str, Rows]) -> tuple[str, tuple[str, ...], Rows]:
        """Return the name, the columns and the further rows of the first sheet that has a table.

        If none has one, it is the sheet with most of the needed columns.
        """
        sheets = [*book.items()]
        headers = [_header(rows) for _, rows in sheets] or [()]
        fits = [
            len(known_columns(header, self.chosen).keys() & set(REQUIRED)) for header in headers
        ]
        best = fits.index(max(fits))
        tables = [
            name for (name, _), fit in zip(sheets, fits, strict=False) if fit == len(REQUIRED)
        ]
        if len(tables) > 1:
            others = ", ".join(map(repr, tables[1:]))
            self._remarks.append(
                f"{self.path.name}: the sheet {tables[0]!r} was read; {others} not, with such "
                "columns too: to read another one, save it as a workbook of its own"
            )
        name, rows = sheets[best] if sheets else ("", iter(()))
        return name, headers[best], rows


def _workbook(path: Path) -> Path | None:
    """Return the workbook of a path; of a folder, the one with the first suffix of those below."""
    if path.is_file():
        return path if path.suffix.lower() in (*READ, *OTHERS) else None
    # Excel keeps ~$corpus.xlsx beside a workbook that is open.
    entries = shown(path) if path.is_dir() else []
    seen = [each for each in entries if not each.name.startswith("~")]
    if any(each.suffix.lower() in SUFFIXES for each in seen):
        return None
    for suffixes in (READ[:1], READ[1:], OTHERS):
        found = [each for each in seen if each.suffix.lower() in suffixes and each.is_file()]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _header(rows: Rows) -> tuple[str, ...]:
    """Return the names in the first row that is not empty."""
    found = (cells for _, cells in rows if _has_value(cells))
    return tuple("" if cell.value is None else str(cell.value) for cell in next(found, []))


def _has_value(cells: Iterable[Cell]) -> bool:
    return any(cell.value is not None for cell in cells)


def _records(
    path: Path, sheet: str, header: tuple[str, ...], columns: Mapping[str, str], rows: Rows
) -> Iterator[Located | Rejection]:
    """Yield the record of each row, with the columns that are read, as texts."""
    places = {field: header.index(name) for field, name in columns.items()}
    formulas = _formulas(path, sheet)
    for number, cells in rows:
        where = f"{path}:{sheet}:{number}"
        read = _at(places, cells)
        empty = {field: at for field, at in places.items() if read[field].value is None}
        if cells and empty:
            _, found = next(row for row in formulas if row[0] == number)
            others = _at(empty, found).items()
            read |= {field: cell for field, cell in others if cell.kind == "f"}
        if not _has_value([*cells, *read.values()]):
            continue
        try:
            texts = {field: _text(field, cell) for field, cell in read.items()}
        except Fault as fault:
            shown = {columns[field]: cell.value for field, cell in read.items()}
            yield reject(where, shown, fault)
        else:
            yield where, {columns[field]: text for field, text in texts.items()}


def _at(places: Mapping[str, int], cells: list[Cell]) -> dict[str, Cell]:
    """Return the cells of the fields; a row ends at its last cell."""
    return {field: cells[at] if at < len(cells) else Cell() for field, at in places.items()}


def _formulas(path: Path, sheet: str) -> Rows:
    """Yield the rows of a sheet with formulas in place of their results, once they are asked for.

    The results alone do not tell an empty cell from a formula that no program has computed.
    """
    with opened(path, results=False) as book:
        yield from book[sheet]


def _text(field: str, cell: Cell) -> str | None:
    """Return a cell as text. Raises Fault MAN-TYPE where Excel shows another text than this."""
    if cell.value is None:
        return None
    if cell.kind == "s":
        return str(cell.value)
    again = "format the column as Text, then write the cell again"
    if cell.kind == "e":
        found, fix = f"the error {cell.value}", "correct the formula, or write its result"
    elif cell.kind == "f":
        found = "a formula without a result"
        fix = "open the workbook in Excel or LibreOffice and save it"
    elif cell.kind != "n":
        is_told = isinstance(cell.value, str)
        found = cell.value if is_told else f"{type(cell.value).__name__} {cell.value}"
        fix = again
    elif abs(cell.value) >= EXACT_BELOW:
        found, fix = f"the number {cell.value}, of which Excel keeps 15 digits", again
    elif field not in NUMBERS and cell.number_format not in PLAIN_FORMATS:
        found, fix = f"the number {cell.value}, shown as {cell.number_format}", again
    else:
        return str(int(cell.value) if cell.value == int(cell.value) else cell.value)
    raise Fault("MAN-TYPE", f"{field} is {found}; expected text or a plain number", fix)
