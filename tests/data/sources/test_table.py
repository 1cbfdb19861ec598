import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.columns import COLUMN_NAMES
from mothertongue.data.sources.table import TableSource
from mothertongue.errors import Fault

RECORDS = [
    {"path": "a.wav", "sentence": 'Say "hi", <|en|>', "client_id": "7", "split": "dev"},
    {"path": "b.wav", "sentence": "नेपाली भाषा", "client_id": "8", "split": "train"},
]


def rows(path: Path, **options: str) -> list[Row | Rejection]:
    return list(TableSource.model_validate({"path": path, **options}).rows())


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def doubled(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def write_records(path: Path) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(RECORDS), path, row_group_size=1)
        return path
    if path.suffix in (".jsonl", ".ndjson"):
        return write(path, "\n".join(json.dumps(record) for record in RECORDS))
    lines = [list(RECORDS[0]), *(list(record.values()) for record in RECORDS)]
    if path.suffix == ".csv":
        lines = [[doubled(value) for value in line] for line in lines]
    delimiter = "\t" if path.suffix == ".tsv" else ","
    return write(path, "".join(delimiter.join(line) + "\n" for line in lines))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    path = write_records(tmp_path / f"t{suffix}")
    first_line = 2 if suffix in (".csv", ".tsv") else 1
    assert rows(path) == [
        Row(
            f"{path}:{first_line + number}",
            audio=record["path"],
            text=record["sentence"],
            speaker=record["client_id"],
            split=record["split"],
        )
        for number, record in enumerate(RECORDS)
    ]


AUDIO = (*COLUMN_NAMES["audio"], " Audio ")
TEXT = (*COLUMN_NAMES["text"], "TEXT")


@pytest.mark.parametrize(
    ("audio", "text"), [(AUDIO[n % len(AUDIO)], name) for n, name in enumerate(TEXT)]
)
def test_columns_are_found_by_name(tmp_path: Path, audio: str, text: str) -> None:
    path = write(tmp_path / "t.csv", f"{audio},{text},duration,offset\na.wav,hi,2.5,1\n")
    where = f"{path}:2"
    assert rows(path) == [Row(where, audio="a.wav", text="hi", duration_s=2.5, start_s=1.0)]


@pytest.mark.parametrize("column", ["duration_ms", "duration[ms]"])
def test_milliseconds_become_seconds(tmp_path: Path, column: str) -> None:
    path = write(
        tmp_path / "t.csv", f"audio,text,{column}\na.wav,hi,2500\nb.wav,yo,\nc.wav,x,2 s\n"
    )
    first, second, third = rows(path)
    assert first == Row(f"{path}:2", audio="a.wav", text="hi", duration_s=2.5)
    assert second == Row(f"{path}:3", audio="b.wav", text="yo")
    assert isinstance(third, Rejection)
    assert (third.code, "'2 s'" in third.reason) == ("MAN-TYPE", True)
    both = write(tmp_path / "both.csv", f"audio,text,{column},duration\na.wav,hi,2500,1\n")
    assert rows(both) == [Row(f"{both}:2", audio="a.wav", text="hi", duration_s=1.0)]


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("start_time,end_time", "1.5,4"),
        ("Start_Time,duration", "1.5,2.5"),
        ("start_ms,end_ms", "1500,4000"),
        ("begin,end", "1.5,4"),
    ],
)
def test_the_other_names_of_times_are_known(tmp_path: Path, header: str, line: str) -> None:
    path = write(tmp_path / "t.csv", f"audio,text,{header}\na.wav,hi,{line}\n")
    assert rows(path) == [
        Row(f"{path}:2", audio="a.wav", text="hi", start_s=1.5, duration_s=2.5),
    ]


def test_an_end_gives_the_duration(tmp_path: Path) -> None:
    lines = "audio,start,end,text\na.wav,1.5,4,hi\nb.wav,,,yo\nc.wav,1,x,a\nd.wav,3,1,b\n"
    first, second, *bad = rows(write(tmp_path / "t.csv", lines))
    where = f"{tmp_path}/t.csv"
    assert first == Row(f"{where}:2", audio="a.wav", text="hi", start_s=1.5, duration_s=2.5)
    assert second == Row(f"{where}:3", audio="b.wav", text="yo")
    assert [each.code for each in bad if isinstance(each, Rejection)] == ["MAN-TYPE", "MAN-SEGMENT"]


def test_columns_can_be_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "audio,clip,text,words\nx,a.wav,y,hi\n")
    (row,) = rows(path, audio_column="clip", text_column="words")
    assert row == Row(f"{path}:2", audio="a.wav", text="hi")


@pytest.mark.parametrize("delimiter", [";", "|", "\t"])
def test_csv_with_another_delimiter_is_read(tmp_path: Path, delimiter: str) -> None:
    path = write(tmp_path / "t.csv", f"audio{delimiter}text\na.wav{delimiter}hi\n")
    assert rows(path) == [Row(f"{path}:2", audio="a.wav", text="hi")]


def test_seconds_may_have_a_decimal_comma(tmp_path: Path) -> None:
    lines = "audio;text;start;end;duration\na.wav;hi;0,5;2,25;1,75\nb.wav;yo;1,234.5;2;1\n"
    good, bad = rows(write(tmp_path / "t.csv", lines))
    assert isinstance(good, Row) and isinstance(bad, Rejection)
    assert (good.start_s, good.duration_s, bad.code) == (0.5, 1.75, "MAN-TYPE")
    end = "audio;text;start;end\na.wav;hi;0,5;2,25\n"
    (good,) = rows(write(tmp_path / "e.csv", end))
    assert isinstance(good, Row)
    assert (good.start_s, good.duration_s) == (0.5, 1.75)


def test_columns_without_a_name_are_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "audio;text;;\na.wav;hi;;\n")
    assert rows(path) == [Row(f"{path}:2", audio="a.wav", text="hi")]


def test_bom_crlf_blank_lines_and_line_separators(tmp_path: Path) -> None:
    content = "\ufeffaudio,text\r\n\r\na.wav,one\u2028two\r\nb.wav,three\rfour\r\n"
    path = write(tmp_path / "t.csv", content)
    assert rows(path) == [
        Row(f"{path}:3", audio="a.wav", text="one\u2028two"),
        Row(f"{path}:4", audio="b.wav", text="three four"),
    ]


# (code, what the message says, the file's suffix and content)
TABLE_FAULTS: dict[str, tuple[str, str, str, bytes]] = {
    "renamed column": ("MAN-COLUMN", "did you mean 'sentense'?", ".csv", b"audio,sentense\na,b\n"),
    "no column": ("MAN-COLUMN", "found 'x', 'text'", ".csv", b"x,text\na,b\n"),
    "no header": ("MAN-COLUMN", "no audio column", ".csv", b"a.wav,hello\n"),
    "column twice": ("MAN-COLUMN", "'text' appears twice", ".csv", b"audio,text,text\na,b,c\n"),
    "empty file": ("MAN-COLUMN", "found none", ".csv", b""),
    "jsonl keys": ("MAN-COLUMN", "found 'wav', 'txt'", ".jsonl", b'{"wav": "a", "txt": "b"}\n'),
    "latin-1": ("MAN-ENCODING", "t.csv:3: byte 0xe9 at byte offset 20", ".csv",
                b"audio,text\na,b\nc,caf\xe9\n"),
    "no end of line": ("MAN-LINE", "over 1,048,576 bytes", ".csv", bytes(1 << 21)),
    "broken header": ("MAN-QUOTE", "t.csv:1", ".csv", b'"audio,text\na,b\n'),
    "not parquet": ("MAN-FORMAT", "not readable as Parquet", ".parquet", b"PAR1 not"),
    "spreadsheet": ("MAN-FORMAT", "expected .csv, .tsv", ".xlsx", b"PK"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE_FAULTS)
def test_fault_of_a_table_is_raised(tmp_path: Path, name: str) -> None:
    code, message, suffix, content = TABLE_FAULTS[name]
    with pytest.raises(Fault) as caught:
        rows(write(tmp_path / f"t{suffix}", content))
    assert caught.value.code == code
    assert message in caught.value.reason
    assert caught.value.exit_code == 65


def test_missing_column_says_which_option_names_it(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="name it with --audio-column"):
        rows(write(tmp_path / "t.csv", "wav_file,text\na,b\n"))


# (code, what the message says, the file's suffix, its second row; the third is good)
ROW_FAULTS: dict[str, tuple[str, str, str, str]] = {
    "too few fields": ("MAN-RAGGED", "1 fields, expected 2: audio, text", ".csv", "a.wav"),
    "too many fields": ("MAN-RAGGED", "3 fields, expected 2", ".csv", "a.wav,well, yes"),
    "open quote": ("MAN-QUOTE", "unexpected end", ".csv", 'a.wav,"well'),
    "quote in a field": ("MAN-QUOTE", "expected after", ".csv", 'a.wav,"well" yes'),
    "no json": ("MAN-JSON", "not a JSON object", ".jsonl", '{"audio": "a.wav", "text": "he'),
    "no number": ("MAN-JSON", "NaN is no JSON", ".jsonl", '{"audio": "a.wav", "duration": NaN}'),
    "no object": ("MAN-JSON", "a list, expected an object", ".jsonl", '["a.wav"]'),
    "deep json": ("MAN-JSON", "recursion", ".jsonl", "[" * 100_000),
    "number as text": ("MAN-TYPE", "text is int '5'", ".jsonl", '{"audio": "a", "text": 5}'),
    "surrogate": ("MAN-ENCODING", "surrogate", ".jsonl", '{"audio": "a", "text": "\\ud800"}'),
    "duration": ("MAN-TYPE", "duration_s is 'abc'", ".jsonl",
                 '{"audio": "a", "text": "b", "duration": "abc"}'),
    "negative": ("MAN-TYPE", "duration_s is '-1'", ".jsonl",
                 '{"audio": "a", "text": "b", "duration": -1}'),
    "infinite": ("MAN-TYPE", "duration_s is 'inf'", ".jsonl",
                 '{"audio": "a", "text": "b", "duration": 1e999}'),
}  # fmt: skip


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_fault_of_a_row_costs_that_row_only(tmp_path: Path, name: str) -> None:
    code, message, suffix, line = ROW_FAULTS[name]
    good = ["audio,text,duration"[: 10 if "duration" not in line else None], "b.wav,hi"]
    if suffix == ".jsonl":
        good = [
            '{"audio": "0.wav", "text": "hey", "duration": 1}',
            '{"audio": "b.wav", "text": "hi"}',
        ]
    path = write(tmp_path / f"t{suffix}", "\n".join([good[0], line, good[1]]))
    *_, found, last = rows(path)
    assert isinstance(found, Rejection)
    assert (found.code, found.where) == (code, f"{path}:2")
    assert message in found.reason
    json.dumps(found.row, ensure_ascii=False).encode()
    assert last == Row(f"{path}:3", audio="b.wav", text="hi")


def test_a_long_field_is_read_as_it_is(tmp_path: Path) -> None:
    text = "x" * 200_000
    (row,) = rows(write(tmp_path / "t.csv", f"audio,text\na.wav,{text}\n"))
    assert isinstance(row, Row)
    assert row.text == text


def test_quotes_are_plain_characters_in_tsv(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", 'path\tsentence\na.wav\t"Well\nb.wav\tyes\n')
    assert [row.text for row in rows(path) if isinstance(row, Row)] == ['"Well', "yes"]


def test_the_fix_of_a_row_with_too_many_fields_advises_quotes_only_where_they_help(
    tmp_path: Path,
) -> None:
    fixes = []
    for suffix, line in ((".csv", "a.wav,well, yes"), (".tsv", 'a.wav\t"well\tyes"')):
        header = "audio,text" if suffix == ".csv" else "audio\ttext"
        (found,) = rows(write(tmp_path / f"t{suffix}", f"{header}\n{line}\n"))
        assert isinstance(found, Rejection) and found.code == "MAN-RAGGED"
        fixes.append(found.fix)
    assert fixes[0].startswith("quote fields") and "quotes are plain characters" in fixes[1]


def test_a_column_that_only_looks_embedded_is_text(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "audio,text,audio.bytes\na.wav,hi,RIFF\n")
    assert rows(path) == [Row(f"{path}:2", audio="a.wav", text="hi")]
