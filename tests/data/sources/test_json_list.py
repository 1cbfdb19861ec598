import json
from pathlib import Path

import pytest

from mothertongue.data.sources import json_list
from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import ReadingOptions, detect
from mothertongue.data.sources.json_list import JsonListSource
from mothertongue.data.sources.paired import PairedSource
from mothertongue.data.sources.table import TableSource
from mothertongue.errors import Fault

RECORDS = [{"file": "a.wav", "sentence": "ਸਤਿ"}, {"speaker": 7, "file": "b.wav", "sentence": "yo"}]


def write(path: Path, content: object) -> Path:
    text = content if isinstance(content, str) else json.dumps(content, indent=1)
    path.write_text(text, encoding="utf-8")
    return path


def rows(path: Path, **options: str) -> list[Row | Rejection]:
    source = detect(path, ReadingOptions.model_validate(options))
    assert isinstance(source, JsonListSource)
    return list(source.rows())


@pytest.mark.parametrize(
    "wrapped", [RECORDS, {"version": 2, "tags": ["x"], "data": RECORDS}, {"clips": RECORDS}]
)
def test_a_list_of_objects_is_a_table(tmp_path: Path, wrapped: object) -> None:
    path = write(tmp_path / "corpus.json", wrapped)
    expected = [
        Row(f"{path}:1", audio="a.wav", text="ਸਤਿ"),
        Row(f"{path}:2", audio="b.wav", text="yo", speaker="7"),
    ]
    assert rows(path) == rows(tmp_path) == expected


def test_columns_can_be_chosen_and_a_mark_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "c.json", '\ufeff[{"clip": "a.wav", "audio": "x", "words": "hi"}]')
    (row,) = rows(path, audio_column="clip", text_column="words")
    assert row == Row(f"{path}:1", audio="a.wav", text="hi")
    with pytest.raises(Fault, match=r"MAN-COLUMN: .*no text column; found 'clip'"):
        rows(path)


def test_names_of_files_give_the_splits(tmp_path: Path) -> None:
    write(tmp_path / "train.json", RECORDS[:1])
    write(tmp_path / "test.json", RECORDS[1:])
    found = [(row.audio, row.split) for row in rows(tmp_path) if isinstance(row, Row)]
    assert found == [("b.wav", "test"), ("a.wav", "train")]
    # It is not known whether it repeats the others.
    write(tmp_path / "all.json", RECORDS)
    with pytest.raises(Fault, match=r"a folder with all\.json"):
        detect(tmp_path)


def test_other_layouts_in_the_folder_come_first(tmp_path: Path) -> None:
    write(tmp_path / "corpus.json", RECORDS)
    write(tmp_path / "config.json", {"audio": 1})
    assert isinstance(detect(tmp_path), JsonListSource)
    write(tmp_path / "a.txt", "hi")
    write(tmp_path / "a.wav", "")
    assert isinstance(detect(tmp_path), PairedSource)
    write(tmp_path / "t.csv", "audio,text\n")
    assert isinstance(detect(tmp_path), TableSource)


def test_what_is_no_object_costs_its_row(tmp_path: Path) -> None:
    first, bad, null, last = rows(write(tmp_path / "c.json", [RECORDS[0], 7, None, RECORDS[1]]))
    assert isinstance(first, Row) and isinstance(last, Row)
    assert isinstance(bad, Rejection) and isinstance(null, Rejection)
    assert (bad.code, bad.where) == ("MAN-JSON", f"{tmp_path}/c.json:2")
    assert "7, expected an object" in bad.reason


LINES = '{"audio": "a.wav", "text": "x"}\n' * 2
FAULTS: dict[str, tuple[str, str]] = {
    "object": ("MAN-JSON: .*an object with 'audio'; expected a list of objects", '{"audio": 1}'),
    "columns": ("MAN-JSON: .*an object with 'a';", '{"a": {"0": "a.wav"}}'),
    "two lists": ("MAN-JSON: .*several lists of objects: 'a', 'b'", '{"a": [{}], "b": [{}]}'),
    "numbers": ("MAN-JSON: .*a list without objects", "[1, 2]"),
    "nothing in it": ("MAN-JSON: .*a list without objects", "[]"),
    "word": (r'MAN-JSON: .*json: "audio"; expected', '"audio"'),
    "empty": ("MAN-JSON: .*not whole JSON", ""),
    "cut": ("MAN-JSON: .*not whole JSON", '[{"audio": "a.wav"'),
    "lines": (r"MAN-JSON: .*Extra data.*name it \.jsonl", LINES),
    "deep": ("MAN-JSON: .*not whole JSON .*recursion", '[{"audio":' + "[" * 100_000),
    "other keys": ("MAN-COLUMN: .*no audio column", '[{"image": "a.png", "text": "x"}]'),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_of_a_file_is_one_message(tmp_path: Path, name: str) -> None:
    message, content = FAULTS[name]
    with pytest.raises(Fault, match=message) as caught:
        rows(write(tmp_path / "c.json", content))
    assert caught.value.reason.startswith(f"{tmp_path}/c.json: ")


def test_a_large_or_foreign_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "c.json", RECORDS)
    size = path.stat().st_size
    monkeypatch.setattr(json_list, "MAX_BYTES", size)
    assert len(rows(path)) == 2
    monkeypatch.setattr(json_list, "MAX_BYTES", size - 1)
    with pytest.raises(Fault, match=f"MAN-LINE: .*{size:,} bytes; .*JSONL"):
        rows(path)
    path.write_bytes("[{}]".encode("utf-16"))
    with pytest.raises(Fault, match=r"MAN-ENCODING: .*not UTF-8.*save it as UTF-8"):
        rows(path)
