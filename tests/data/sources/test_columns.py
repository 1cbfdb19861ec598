from pathlib import Path

import pytest

from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.table import TableSource
from mothertongue.errors import Fault


def only(folder: Path, header: str, line: str) -> Row | Rejection:
    (folder / "t.csv").write_text(f"audio,text,{header}\na.wav,hi,{line}\n")
    (row,) = TableSource(path=folder / "t.csv").rows()
    return row


@pytest.mark.parametrize(
    ("header", "line", "reason"),
    [
        ("start,end", ",1.5", "no start and an end at 1.5 s"),
        ("from,end", "0.5,1.5", "no start and an end at 1.5 s"),
        ("start,end", "2,1.5", "a start at 2 s and an end at 1.5 s"),
        ("start,end,duration", "0,5,20", "from 0 s to 5 s, and a duration of 20 s"),
    ],
)
def test_times_that_contradict_each_other_cost_their_row(
    tmp_path: Path, header: str, line: str, reason: str
) -> None:
    row = only(tmp_path, header, line)
    assert isinstance(row, Rejection)
    assert (row.code, row.reason.startswith(reason)) == ("MAN-SEGMENT", True)


@pytest.mark.parametrize("duration", ["", "4", "4.05"])
def test_an_end_and_a_duration_may_say_the_same(tmp_path: Path, duration: str) -> None:
    row = only(tmp_path, "start,end,duration", f"1,5,{duration}")
    assert isinstance(row, Row)
    assert (row.start_s, row.duration_s) == (1.0, float(duration or 4))


def test_a_table_of_many_columns_takes_no_time_and_its_message_no_page(tmp_path: Path) -> None:
    names = ",".join(map(str, range(100_000)))  # in the square of it, this would take minutes
    assert only(tmp_path, names, names) == Row(f"{tmp_path}/t.csv:2", audio="a.wav", text="hi")
    (tmp_path / "t.csv").write_text(f"audio,{names}\n")
    with pytest.raises(
        Fault, match=r"no text column; found 'audio', '0', .* and 99,961 more"
    ) as bad:
        list(TableSource(path=tmp_path / "t.csv").rows())
    assert len(str(bad.value)) < 2000
    (tmp_path / "t.csv").write_text(f"audio,text,{names}\na.wav,hi\n")
    (row,) = TableSource(path=tmp_path / "t.csv").rows()
    assert isinstance(row, Rejection)
    assert row.reason.startswith("2 fields, expected 100,002: audio, text, 0, 1,")
    assert len(row.reason) < 2000


def test_milliseconds_may_have_a_decimal_comma(tmp_path: Path) -> None:
    row = only(tmp_path, "duration_ms", '"2500,5"')
    assert isinstance(row, Row)
    assert row.duration_s == 2.5005
