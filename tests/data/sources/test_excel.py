import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from workbook_files import change_part, write_workbook

from mothertongue.data.sources import excel, workbooks
from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import ReadingOptions, detect
from mothertongue.data.sources.excel import ExcelSource
from mothertongue.data.sources.paired import PairedSource
from mothertongue.data.sources.table import TableSource
from mothertongue.errors import Fault

HEADER = ["audio", "text"]
GOOD = ["a.wav", "habari"]


def source(path: Path, **options: str) -> ExcelSource:
    found = detect(path, ReadingOptions.model_validate(options))
    assert isinstance(found, ExcelSource)
    return found


def rows(path: Path, **options: str) -> list[Row | Rejection]:
    return list(source(path, **options).rows())


def test_a_sheet_is_a_table(tmp_path: Path) -> None:
    lines = [
        [],
        ["Path ", "Sentence", "", "speaker", "start", "end", "notes"],
        ["a.wav", "ਸਤਿ ਸ੍ਰੀ", None, "Anna", 0.5, 2, date(2026, 1, 1)],
        [],
        [None, "  ", None],
        ["b.wav", "mstari\nmmoja_x000D_", "x", None, "1,5", "2,25"],
    ]
    path = write_workbook(tmp_path / "Corpus.XLSX", Clips=lines)
    expected = [
        Row(
            f"{path}:Clips:3",
            audio="a.wav",
            text="ਸਤਿ ਸ੍ਰੀ",
            speaker="Anna",
            start_s=0.5,
            duration_s=1.5,
        ),
        Row(
            f"{path}:Clips:6",
            audio="b.wav",
            text="mstari\nmmoja ",
            start_s=1.5,
            duration_s=0.75,
        ),
    ]
    assert rows(path) == rows(tmp_path) == expected
    assert source(tmp_path).root == tmp_path


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "t.xlsx", A=[["clip", "audio", "words"], ["a.wav", "x", "hi"]])
    assert rows(path, audio_column="clip", text_column="words") == [
        Row(f"{path}:A:2", audio="a.wav", text="hi")
    ]
    with pytest.raises(Fault, match=r"MAN-COLUMN: .*t\.xlsx:A: no text column; found 'clip'"):
        rows(path)


def test_numbers_are_read_as_excel_shows_them(tmp_path: Path) -> None:
    lines = [["id", "speaker", *HEADER, "duration"], [1.0, 7, "a.wav", 5.0, (2.50, "0.000")]]
    lines.append([123456789012345, 1.5, "b.wav", (12, "0"), 3])
    first, second = rows(write_workbook(tmp_path / "t.xlsx", A=lines))
    assert isinstance(first, Row) and isinstance(second, Row)
    assert (first.id, first.speaker, first.text, first.duration_s) == ("1", "7", "5", 2.5)
    assert (second.id, second.speaker, second.text) == ("123456789012345", "1.5", "12")


BAD_CELLS: dict[str, tuple[object, str]] = {
    "date": (date(2026, 2, 1), "text is datetime 2026-02-01 00:00:00; expected text"),
    "moment": (datetime(2026, 2, 1, 9, 30), "text is datetime 2026-02-01 09:30:00"),
    "time": (time(0, 3), "text is time 00:03:00"),
    "span": (timedelta(hours=30), "text is timedelta 1 day, 6:00:00"),
    "no date": ((10**9, "yyyy-mm-dd"), "text is the error #VALUE!"),
    "boolean": (True, "text is bool True"),
    "error": ("#REF!", "text is the error #REF!"),
    "percent": ((0.5, "0%"), "text is the number 0.5, shown as 0%"),
    "zeros": ((7, "0000"), "text is the number 7, shown as 0000"),
    "long": (1234567890123456, "of which Excel keeps 15 digits"),
    "formula": ("=1+1", "text is a formula without a result"),
}


@pytest.mark.parametrize("name", BAD_CELLS)
def test_what_excel_shows_otherwise_costs_its_row(tmp_path: Path, name: str) -> None:
    value, message = BAD_CELLS[name]
    lines = [HEADER, ["x.wav", value], ["a.wav", "habari"]]
    path = write_workbook(tmp_path / "t.xlsx", A=lines)
    bad, good = rows(path)
    assert isinstance(bad, Rejection) and isinstance(good, Row)
    assert (bad.code, bad.where) == ("MAN-TYPE", f"{path}:A:2")
    assert message in bad.reason
    assert bad.row["audio"] == "x.wav"


def test_a_span_of_time_is_no_duration(tmp_path: Path) -> None:
    lines = [[*HEADER, "duration"], [*GOOD, time(0, 3)], [*GOOD, 3]]
    bad, good = rows(write_workbook(tmp_path / "t.xlsx", A=lines))
    assert isinstance(bad, Rejection) and isinstance(good, Row)
    assert "duration_s is time 00:03:00" in bad.reason


def test_formulas_are_read_by_their_results_and_rows_of_formulas_are_not_empty(
    tmp_path: Path,
) -> None:
    lines = [
        [*HEADER, "split"],
        ["=1", "=2", None],
        [None, None, "=3"],
        ["c.wav", "x", None],
        [None],
    ]
    path = write_workbook(tmp_path / "t.xlsx", A=lines)
    for formula, result in ((1, "a.wav"), (2, "habari")):
        old, new = f"><f>{formula}</f><v />", f' t="str"><f>{formula}</f><v>{result}</v>'
        change_part(path, lambda text, old=old, new=new: text.replace(old, new))
    first, second, third = rows(path)
    assert isinstance(first, Row) and isinstance(third, Row)
    assert (first.audio, first.text) == ("a.wav", "habari")
    assert isinstance(second, Rejection)
    assert (second.where, "split is a formula" in second.reason) == (f"{path}:A:3", True)
    assert third.audio == "c.wav"


def test_texts_of_excel_itself_are_read(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "t.xlsx", A=[HEADER, ["a.wav", "shared"]])
    cell = '<c r="B2" t="inlineStr"><is><t>shared</t></is></c>'
    change_part(path, lambda text: text.replace(cell, '<c r="B2" t="s"><v>1</v></c>'))
    kana = '<rPh sb="0" eb="1"><t>not said</t></rPh>'
    bold = '<r><rPr><b/></rPr><t xml:space="preserve">habari </t></r>'
    rich = f"<si>{bold}<r><t>yako</t></r>{kana}</si>"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    texts = f'<sst xmlns="{main}"><si><t>other</t></si>{rich}</sst>'
    change_part(path, lambda text: texts, "xl/sharedStrings.xml")
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    part = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    change_part(path, lambda text: text.replace("</Types>", part), "[Content_Types].xml")
    assert rows(path) == [Row(f"{path}:A:2", audio="a.wav", text="habari yako")]


def test_the_first_sheet_with_the_columns_is_read_and_others_are_named(tmp_path: Path) -> None:
    notes, bad = [["a title"], ["audio", "text"]], [["audio", "length"], ["x.wav", 1]]
    table, old = [HEADER, ["a.wav", "new"]], [[], HEADER, ["a.wav", "old"]]
    path = write_workbook(tmp_path / "t.xlsx", Notes=notes, Bad=bad, New=table, Old=old, Older=old)
    found = source(path)
    assert [row.text for row in found.rows() if isinstance(row, Row)] == ["new"]
    (remark,) = found.remarks
    assert remark.startswith("t.xlsx: the sheet 'New' was read; 'Old', 'Older' not")
    one = source(write_workbook(tmp_path / "one.xlsx", Notes=notes, New=table))
    assert len(list(one.rows())) == 1 and one.remarks == ()
    with pytest.raises(Fault, match=r"none\.xlsx:Bad: no text column; found 'audio', 'length'"):
        rows(write_workbook(tmp_path / "none.xlsx", Notes=notes, Bad=bad))


def test_other_layouts_in_the_folder_come_first(tmp_path: Path) -> None:
    write_workbook(tmp_path / "t.xlsx", A=[HEADER, GOOD])
    (tmp_path / "~$t.xlsx").touch()
    (tmp_path / "old.xls").touch()
    assert len(rows(tmp_path)) == 1
    (tmp_path / "a.txt").write_text("hi")
    (tmp_path / "a.wav").touch()
    assert isinstance(detect(tmp_path), PairedSource)
    (tmp_path / "t.csv").write_text("audio,text\n")
    assert isinstance(detect(tmp_path), TableSource)


def test_two_workbooks_in_a_folder_are_named(tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        write_workbook(tmp_path / name, A=[HEADER, GOOD])
    with pytest.raises(Fault, match=r"a folder with a\.xlsx, b\.xlsx"):
        detect(tmp_path)


@pytest.mark.parametrize("suffix", excel.OTHERS)
def test_other_spreadsheets_are_refused_with_what_to_save(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    path.write_bytes(b"anything")
    for place in (path, tmp_path):
        with pytest.raises(
            Fault, match=rf"MAN-FORMAT: .*a {suffix} spreadsheet; .*\.xlsx, or as CSV"
        ):
            rows(place)


def test_a_workbook_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_workbook(tmp_path / "t.xlsx", A=[["x"]], B=[HEADER, GOOD])
    calls: list[Path] = []
    load = workbooks._load_workbook
    monkeypatch.setattr(workbooks, "_load_workbook", lambda path: calls.append(path) or load(path))
    assert len(rows(tmp_path)) == 1
    assert calls == [path]


def test_a_workbook_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "t.xlsx", A=[HEADER, GOOD])
    change_part(path, lambda text: text + " " * workbooks.MAX_BYTES)
    assert path.stat().st_size < 200_000
    with pytest.raises(
        Fault, match=r"MAN-LINE: .*unpacks to 67,1\d\d,\d{3} bytes; .*or save it as CSV"
    ):
        rows(path)


@pytest.mark.parametrize("after", ["<sheetData>", '<row r="2">', "</sheetData>"])
def test_a_part_that_would_fill_the_memory_is_refused(tmp_path: Path, after: str) -> None:
    path = write_workbook(tmp_path / "t.xlsx", A=[HEADER, GOOD])
    many = "<c/>" * (workbooks.MAX_ROW_ELEMENTS + 1)
    change_part(path, lambda text: text.replace(after, after + many))
    with pytest.raises(Fault, match=r"MAN-LINE: .*sheet1\.xml has over 4,.* or 131,072 in a row"):
        rows(path)


def test_a_part_with_entities_is_refused(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "t.xlsx", A=[HEADER, GOOD])
    kind = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
    change_part(path, lambda text: kind + text)
    with pytest.raises(Fault, match=r"MAN-FORMAT: .*sheet1\.xml has a document type"):
        rows(path)


def test_a_row_far_down_is_refused(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "t.xlsx", A=[HEADER, GOOD])
    change_part(path, lambda text: text.replace('<row r="2"', '<row r="99999999999"'))
    with pytest.raises(Fault, match=r"MAN-FORMAT: .*a row past 1,048,576 in the sheet 'A'"):
        rows(path)


def test_a_wrong_dimension_cuts_nothing(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "t.xlsx", A=[HEADER, GOOD])
    change_part(path, lambda text: text.replace('<dimension ref="A1:B2"', '<dimension ref="A1"'))
    assert len(rows(path)) == 1


BROKEN: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "password": ("with a password", lambda data: workbooks.CONTAINER + bytes(4000)),
    "empty": ("not readable as .xlsx", lambda data: b""),
    "half": ("not readable as .xlsx", lambda data: data[: len(data) // 2]),
    "no workbook": ("not readable as .xlsx", lambda data: b"PK\x05\x06" + bytes(18)),
    "damaged": ("not readable as .xlsx", lambda data: data[:60] + bytes(300) + data[360:]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_workbook_is_named(tmp_path: Path, name: str) -> None:
    message, change = BROKEN[name]
    path = write_workbook(tmp_path / "t.xlsx", A=[HEADER, GOOD])
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(Fault, match=rf"MAN-FORMAT: {path}: .*{message}.*; .*save it .*as CSV"):
        rows(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("</sheetData>", ""),
        lambda text: text.replace('r="A2"', 'r="!!"'),
        lambda text: text.replace('<c r="A2" t="inlineStr">', '<c r="A2" t="s"><v>9</v>'),
        lambda text: text.replace('<c r="A2" t="inlineStr">', '<c r="A2" t="d"><v>soon</v>'),
    ],
    ids=["not closed", "no place", "no such text", "no date"],
)
def test_a_broken_sheet_is_named(tmp_path: Path, change: Callable[[str], str]) -> None:
    path = write_workbook(tmp_path / "t.xlsx", A=[HEADER, GOOD])
    change_part(path, change)
    with pytest.raises(Fault, match=r"MAN-FORMAT: .*t\.xlsx: not readable as \.xlsx"):
        rows(path)


def test_a_workbook_without_sheets_or_rows_has_no_columns(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "t.xlsx", A=[])
    with pytest.raises(Fault, match=r"MAN-COLUMN: .*no audio column; found none"):
        rows(path)


def test_warnings_about_a_workbook_are_not_told(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "t.xlsx", A=[HEADER, GOOD])
    extension = '<extLst><ext uri="{78C0D931-6437-407d-A8EE-F0AAD7539E65}"/></extLst>'
    change_part(path, lambda text: text.replace("</worksheet>", f"{extension}</worksheet>"))
    assert len(rows(path)) == 1  # a warning would be an error


def test_without_the_extra_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_workbook(tmp_path / "t.xlsx", A=[HEADER, GOOD])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(
        Fault, match=r"pip install 'mothertongue\[excel\]', or save the sheet as CSV"
    ):
        rows(path)
