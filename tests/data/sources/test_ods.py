"""LibreOffice's spreadsheets: cells and rows that repeat, what is shown otherwise, and bombs."""

import sys
import zipfile
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from mothertongue.data.sources import ods, workbooks
from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import detect
from mothertongue.data.sources.excel import ExcelSource
from mothertongue.errors import Fault

URN = "urn:oasis:names:tc:opendocument:xmlns"
NAMES = [f'xmlns:{name}="{URN}:{name}:1.0"' for name in ("office", "table", "text")]
NAMES += ['xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"']
NAMES += ['xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"']


def cell(shown: str = "", times: int = 1, **facts: str) -> str:
    """A cell that shows a text; a keyword `value_type` is office:value-type, and so on."""
    facts = {"value_type": "string", **facts} if shown else facts
    written = "".join(f" office:{key.replace('_', '-')}={quoteattr(facts[key])}" for key in facts)
    many = f' table:number-columns-repeated="{times}"' if times != 1 else ""
    said = f"<text:p>{shown}</text:p>" if shown else ""
    return f"<table:table-cell{many}{written}>{said}</table:table-cell>"


def row(*cells: str, times: int = 1) -> str:
    many = f' table:number-rows-repeated="{times}"' if times != 1 else ""
    return f"<table:table-row{many}>{''.join(cells)}</table:table-row>"


HEADER = row(cell("audio"), cell("text"))
END = row(cell(times=16_384), times=1_048_000)


def write(path: Path, manifest: str = "<manifest/>", **sheets: str) -> Path:
    tables = "".join(
        f'<table:table table:name="{name}">{rows}{END}</table:table>'
        for name, rows in sheets.items()
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/manifest.xml", manifest)
        content = f"<office:document-content {' '.join(NAMES)}><office:body><office:spreadsheet>"
        end = "</office:spreadsheet></office:body></office:document-content>"
        archive.writestr("content.xml", content + tables + end)
    return path


def rows(path: Path) -> list[Row | Rejection]:
    source = detect(path)
    assert isinstance(source, ExcelSource)
    return list(source.rows())


def test_cells_and_rows_are_read_where_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)  # only Excel's own format needs it
    comment = "<office:annotation><text:p>not said</text:p></office:annotation>"
    picture = "<draw:frame><text:p>not said</text:p></draw:frame>"
    path = write(
        tmp_path / "t.ods",
        Notes=row(cell("habari")),
        Clips=row(cell(times=16_384), times=2)
        + row(cell("audio"), cell(times=2), cell("text"), cell("start"), cell("end"))
        + row(
            cell("a.wav").replace("<text:p>", f"{comment}{picture}<text:p>"),
            cell("x", times=2),
            cell("mstari</text:p><text:p>wa<text:s text:c='2'/>pili<text:tab/>"),
            cell("0,50", value_type="float", value="0.5"),
            cell("2", value_type="float", value="2"),
        )
        + row(cell(times=5), times=3)
        + row(cell("b.wav"), cell(times=2), cell("ndiyo"), times=2),
    )
    assert (
        rows(path)
        == rows(tmp_path)
        == [
            Row(f"{path}:Clips:4", "a.wav", "mstari\nwa  pili\t", start_s=0.5, duration_s=1.5),
            Row(f"{path}:Clips:8", "b.wav", "ndiyo"),
            Row(f"{path}:Clips:9", "b.wav", "ndiyo"),
        ]
    )


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (cell("1. Feb", value_type="date", date_value="2026-02-01"), "the date 2026-02-01; exp"),
        (cell("3 min", value_type="time", time_value="PT00H03M00S"), "the time PT00H03M00S"),
        (cell("50 %", value_type="percentage", value="0.5"), "the number 0.5, shown as 50 %"),
        (cell("0007", value_type="float", value="7"), "the number 7.0, shown as 0007"),
        (cell("WAHR", value_type="boolean", boolean_value="true"), "bool True"),
        (cell("1E+20", value_type="float", value="1e20"), "of which Excel keeps 15 digits"),
        (cell("#REF!").replace("<table:table-cell", '<table:table-cell calcext:value-type="error"'),
         "the error #REF!"),
        ('<table:table-cell table:formula="of:=1+1"/>', "a formula without a result"),
    ],
)  # fmt: skip
def test_what_is_shown_otherwise_costs_its_row(tmp_path: Path, bad: str, message: str) -> None:
    good = row(cell("a.wav"), '<table:table-cell office:value-type="float" office:value="5"/>')
    found, read = rows(write(tmp_path / "t.ods", A=HEADER + row(cell("x.wav"), bad) + good))
    assert isinstance(found, Rejection) and isinstance(read, Row)
    assert (found.code, found.where) == ("MAN-TYPE", f"{tmp_path}/t.ods:A:2")
    assert message in found.reason
    assert read.text == "5"


@pytest.mark.parametrize(
    "many",
    [
        row(cell("a", times=10**19)),
        row(cell(times=10**19), cell("a")),
        row(cell("a"), times=10**18),
        row(cell("a", times=1000), times=1000) * 5,
        row(cell("a", times=0)),
        row(cell("a<text:s text:c='999999999'/>" * 9), times=10**9),
    ],
)
def test_what_repeats_too_often_is_refused(tmp_path: Path, many: str) -> None:
    path = write(tmp_path / "t.ods", A=HEADER + many)
    with pytest.raises(Fault, match=r"MAN-FORMAT: .*t\.ods: not readable as \.ods \(ValueError"):
        rows(path)


def test_broken_spreadsheets_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "t.ods", A=HEADER, manifest="<x><encryption-data/></x>")
    with pytest.raises(Fault, match="with a password; save it without one"):
        rows(path)
    write(path, A=HEADER + "<table:table-row>")
    with pytest.raises(Fault, match=r"t\.ods: not readable as \.ods \(ExpatError"):
        rows(path)
    write(path, A=HEADER + "<a/>" * (workbooks.MAX_ROW_ELEMENTS + 1))
    with pytest.raises(Fault, match=r"MAN-LINE: .*content\.xml has over"):
        rows(path)
    monkeypatch.setattr(ods, "MAX_CELLS", 3)
    with pytest.raises(Fault, match="over 3 cells, those that repeat included"):
        rows(write(path, A=HEADER * 2))
