"""Read the cells of an .xlsx or .ods workbook of unknown origin, row by row."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat
from zipfile import ZipFile

from mothertongue.data.sources.ods import Sheets
from mothertongue.data.sources.readers import CHUNK_BYTES
from mothertongue.errors import Fault

MAX_BYTES = 64 << 20  # 300,000 rows of five cells
MAX_ELEMENTS = MAX_BYTES // 16  # a cell has two, in 30 bytes or more
MAX_ROW_ELEMENTS = 1 << 17  # a sheet of Excel has 16,384 columns
BATCH_ROWS = 16
MAX_ROWS = 1 << 20  # a sheet of Excel has no more
ODS = ".ods"
# Excel encrypts a workbook into the container that old .xls files are.
CONTAINER = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Cell(NamedTuple):
    """A cell's value, by its kind: n(umber), s(tring), b(oolean), d(ate), e(rror) or f(ormula)."""

    kind: str = "n"
    value: Any = None
    number_format: str = ""


Rows = Iterator[tuple[int, list[Cell]]]


@contextmanager
def opened(path: Path, results: bool = True) -> Iterator[dict[str, Rows]]:
    """Open a workbook and yield the numbers and cells of the rows of each sheet, by its name.

    Formulas are read by the results that were saved, or as formulas.

    Memory holds the workbook's texts and a few rows. A workbook unpacks to 64 MiB at most; the
    worst one then takes 400 MB. Raises Fault MAN-FORMAT, or MAN-LINE for a larger one.
    """
    load_workbook = None if path.suffix.lower() == ODS else _load_workbook(path)
    with path.open("rb") as file:
        if file.read(len(CONTAINER)) == CONTAINER:
            reason = f"{path}: a workbook with a password, or of an Excel before 2007"
            raise Fault("MAN-FORMAT", reason, "save it as .xlsx without a password, or as CSV")
        with _readable(path):
            archive = ZipFile(file)
            _require_modest(path, archive)
            for name in archive.namelist():
                _require_plain(path, archive, name)
            if load_workbook is None:
                sheets = _sheets_of_ods(path, archive)
            else:
                book = load_workbook(file, read_only=True, data_only=results, keep_links=False)
                sheets = {each.title: _read_rows(path, each) for each in book.worksheets}
        yield sheets


def _sheets_of_ods(path: Path, archive: ZipFile) -> dict[str, Rows]:
    if b"encryption-data" in archive.read("META-INF/manifest.xml"):
        reason = f"{path}: a workbook with a password"
        raise Fault("MAN-FORMAT", reason, "save it without one, or as CSV")
    sheets = Sheets()
    with archive.open("content.xml") as content:
        sheets.read(content)
    return {
        name: ((number, [Cell(*each) for each in cells]) for number, cells in rows)
        for name, rows in sheets.rows.items()
    }


def _read_rows(path: Path, sheet: Any) -> Rows:
    """Yield the number and the cells of every row, also of empty ones. Raises Fault MAN-FORMAT."""
    sheet.reset_dimensions()  # many programs write wrong ones
    rows = sheet.iter_rows()
    for start in count(1, BATCH_ROWS):
        with _readable(path):
            batch = [[_cell(each) for each in row] for row in islice(rows, BATCH_ROWS)]
        if not batch:
            return
        if start > MAX_ROWS:
            reason = f"{path}: a row past {MAX_ROWS:,} in the sheet {sheet.title!r}"
            raise Fault("MAN-FORMAT", reason, "save the sheet as CSV")
        yield from enumerate(batch, start)


def _cell(cell: Any) -> Cell:
    value = cell.value
    if isinstance(value, str):
        value = value.replace("_x000D_", " ")  # a carriage return, as Excel writes it
        value = value if value.strip() else None
    is_number = cell.data_type == "n" and value is not None
    return Cell(cell.data_type, value, cell.number_format if is_number else "")


def _load_workbook(path: Path) -> Any:
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise Fault(
            "MAN-FORMAT",
            f"{path}: reading Excel needs openpyxl, which is not installed",
            "run: pip install 'mothertongue[excel]', or save the sheet as CSV",
        ) from None
    return load_workbook


def _require_modest(path: Path, archive: ZipFile) -> None:
    """Raise Fault MAN-LINE for a large workbook. zipfile unpacks no more than it declares."""
    size = max(path.stat().st_size, sum(each.file_size for each in archive.infolist()))
    if size > MAX_BYTES:
        reason = f"{path}: unpacks to {size:,} bytes; expected at most {MAX_BYTES:,}"
        fix = "leave only the table in the workbook, without pictures, or save it as CSV"
        raise Fault("MAN-LINE", reason, fix)


def _require_plain(path: Path, archive: ZipFile, name: str) -> None:
    """Raise Fault for a part of which openpyxl would make gigabytes: it holds a row as a tree.

    No spreadsheet writes a document type, which could declare entities ("billion laughs").
    """
    total = in_row = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal total, in_row
        total += 1
        in_row += 1
        if total > MAX_ELEMENTS or in_row > MAX_ROW_ELEMENTS:
            most = f"{MAX_ELEMENTS:,} elements of XML, or {MAX_ROW_ELEMENTS:,} in a row"
            raise Fault("MAN-LINE", f"{path}: {name} has over {most}", "save the sheet as CSV")

    def end(tag: str) -> None:
        nonlocal in_row
        if tag.endswith(("row", "si")):
            in_row = 0

    def doctype(*_: object) -> None:
        reason = f"{path}: {name} has a document type"
        raise Fault("MAN-FORMAT", reason, "save the workbook again from Excel or LibreOffice")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = doctype
    with archive.open(name) as part, suppress(expat.ExpatError):  # pictures are no XML
        while chunk := part.read(CHUNK_BYTES):
            parser.Parse(chunk, False)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Inside, every error is a Fault: openpyxl fails in more ways than can be listed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about parts of workbooks that it does not write
            yield
    except (Fault, MemoryError):
        raise
    except Exception as error:
        cause = error.__cause__ or error
        reason = " ".join(str(cause).split())[:200]
        raise Fault(
            "MAN-FORMAT",
            f"{path}: not readable as {path.suffix.lower()} ({type(cause).__name__}: {reason})",
            "open it in Excel or LibreOffice and save it again, or save it as CSV",
        ) from None
