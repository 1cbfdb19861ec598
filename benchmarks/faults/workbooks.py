"""Excel workbooks of strangers: broken, huge, or with cells that are no text."""

import zipfile
from collections.abc import Callable
from io import BytesIO

from faults.inputs import Write, content
from mothertongue.data.sources.excel import ExcelSource

(EXAMPLE,) = (data for data in ExcelSource.examples[0].values() if isinstance(data, bytes) and data)
(ODS,) = (data for data in ExcelSource.examples[1].values() if isinstance(data, bytes) and data)
SHEET, BOOK = "xl/worksheets/sheet1.xml", "xl/workbook.xml"
CELL = '<c t="str"><v>hi</v></c>'
ENTITIES = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
MIB = 1 << 20


def workbooks() -> dict[str, Write]:
    """Return every one of them, by its name; no clip lies beside it."""
    cells = {
        "error": '<c t="e"><v>#REF!</v></c>',
        "boolean": '<c t="b"><v>1</v></c>',
        "moment": '<c t="d"><v>2026-02-01T09:30:00</v></c>',
        "soon": '<c t="d"><v>soon</v></c>',
        "long-number": "<c><v>12345678901234567890</v></c>",
        "no-number": "<c><v>many</v></c>",
        "no-such-text": '<c t="s"><v>7</v></c>',
        "no-such-format": '<c s="99"><v>7</v></c>',
        "formula": "<c><f>1+1</f></c>",
        "nothing": "<c/>",
    }
    parts: dict[str, Callable[[str], str]] = {
        "far-row": lambda text: text.replace('<row r="2">', '<row r="99999999999">'),
        "long-row-number": lambda text: text.replace('<row r="2">', f'<row r="{"9" * 5000}">'),
        "no-place": lambda text: text.replace(CELL, '<c r="!!"><v>7</v></c>'),
        "many-cells": lambda text: text.replace(CELL, "<c/>" * MIB),
        "many-rows": lambda text: text.replace("<sheetData>", "<sheetData>" + "<row/>" * 5 * MIB),
        "deep": lambda text: text.replace(CELL, "<a>" * 100_000 + "</a>" * 100_000),
        "entities": lambda text: ENTITIES + text,
        "not-closed": lambda text: text.replace("</sheetData>", ""),
        "bomb": lambda text: text + " " * 65 * MIB,
        "latin1": lambda text: '<?xml version="1.0" encoding="habari"?>' + text,
    }
    parts |= {
        f"cell-{name}": lambda text, cell=cell: text.replace(CELL, cell)
        for name, cell in cells.items()
    }
    found: dict[str, Write] = {
        "nothing": content(b""),
        "words": content(b"habari"),
        "half": content(EXAMPLE[: len(EXAMPLE) // 2]),
        "no-parts": content(b"PK\x05\x06" + bytes(18)),
        "no-sheet": lambda path, home: path.write_bytes(
            changed(lambda text: text.replace('r:id="r1"', 'r:id="r2"'), BOOK)
        ),
        "lying": lambda path, home: path.write_bytes(lying(changed(lambda text: text + " " * MIB))),
        "password": content(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4000)),
    }
    for name, change in parts.items():
        found[name] = lambda path, home, change=change: path.write_bytes(changed(change))
    others = {f"other{suffix}": content(EXAMPLE) for suffix in (".xls", ".xlsm", ".ods")}
    repeated = '<table:table-cell table:number-columns-repeated="16382"/>'
    far = repeated.replace("16382", "9" * 18).replace(
        "/>", "><text:p>a</text:p></table:table-cell>"
    )
    parts_of_ods: dict[str, Callable[[str], str]] = {
        "wide": lambda text: text.replace(repeated, far),
        "long": lambda text: text.replace(
            "-row>", f'-row table:number-rows-repeated="{10**9}">', 1
        ),
        "no-count": lambda text: text.replace("16382", "many"),
        "many-cells": lambda text: text.replace(repeated, "<table:table-cell/>" * MIB),
        "entities": lambda text: ENTITIES + text,
        "bomb": lambda text: text + " " * 65 * MIB,
        "no-rows": lambda text: "<a/>",
    }
    for name, change in parts_of_ods.items():
        others[f"{name}.ods"] = lambda path, home, change=change: path.write_bytes(
            changed(change, "content.xml", ODS)
        )
    return others | {f"{name}.xlsx": write for name, write in found.items()}


def changed(change: Callable[[str], str], part: str = SHEET, book: bytes = EXAMPLE) -> bytes:
    """Return an example with a part changed."""
    file = BytesIO()
    with zipfile.ZipFile(BytesIO(book)) as old, zipfile.ZipFile(file, "w", 8) as new:
        for name in old.namelist():
            text = old.read(name).decode()
            new.writestr(name, change(text) if name == part else text)
    return file.getvalue()


def lying(data: bytes) -> bytes:
    """Return a workbook whose last part says that it is shorter than it is."""
    size = max(each.file_size for each in zipfile.ZipFile(BytesIO(data)).infolist())
    return data.replace(size.to_bytes(4, "little"), (500).to_bytes(4, "little"))
