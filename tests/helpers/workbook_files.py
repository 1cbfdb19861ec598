"""Write .xlsx workbooks with openpyxl, and change their parts."""

import zipfile
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from openpyxl import Workbook

SHEET = "xl/worksheets/sheet1.xml"


def workbook(**sheets: Iterable[Iterable[Any]]) -> bytes:
    """Return a workbook with sheets of rows, as `write_workbook` does."""
    file = BytesIO()
    _book(sheets).save(file)
    return file.getvalue()


def write_workbook(path: Path, **sheets: Iterable[Iterable[Any]]) -> Path:
    """Write sheets of rows; a value (value, format) is a cell with a number format."""
    _book(sheets).save(path)
    return path


def _book(sheets: Mapping[str, Iterable[Iterable[Any]]]) -> Workbook:
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for number, row in enumerate(rows, start=1):
            for column, value in enumerate(row, start=1):
                if isinstance(value, tuple):
                    sheet.cell(number, column, value[0]).number_format = value[1]
                else:
                    sheet.cell(number, column, value)
    return book


def change_part(path: Path, change: Callable[[str], str], part: str = SHEET) -> Path:
    """Change or add the XML of a part of a workbook, by default of its first sheet."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    text = parts.get(part, b"").decode()
    changed = change(text)
    assert changed != text
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (parts | {part: changed.encode()}).items():
            archive.writestr(name, data)
    return path
