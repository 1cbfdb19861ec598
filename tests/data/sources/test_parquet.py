import json
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.table import TableSource
from mothertongue.errors import Fault


def rows(path: Path, **options: str) -> list[Row | Rejection]:
    return list(TableSource.model_validate({"path": path, **options}).rows())


def test_embedded_audio_is_read_and_never_shown(tmp_path: Path) -> None:
    audio = [
        {"bytes": b"RIFF", "path": "x/a.wav"},
        {"bytes": b"RIFF", "path": None},
        {"bytes": None, "path": "b.wav"},
        None,
        {"bytes": b"secret", "path": "c.wav"},
    ]
    texts = ["one", "two", "three", "four", "five"]
    table = pa.table({"speech": audio, "text": texts, "duration": [None] * 4 + [-1.0]})
    path = tmp_path / "t.parquet"
    pq.write_table(table, path, row_group_size=2)
    *found, bad = rows(path, audio_column="speech")
    assert found == [
        Row(f"{path}:1", audio="x/a.wav", text="one", embedded=b"RIFF"),
        Row(f"{path}:2", audio=None, text="two", embedded=b"RIFF"),
        Row(f"{path}:3", audio="b.wav", text="three"),
        Row(f"{path}:4", audio=None, text="four"),
    ]
    assert isinstance(bad, Rejection)
    assert bad.code == "MAN-TYPE"
    assert "secret" not in json.dumps(bad.row) + repr(found[0])


def test_damage_inside_a_parquet_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    record = {"audio": "a.wav", "text": "x" * 100_000}
    pq.write_table(pa.Table.from_pylist([record]), path, compression="gzip", use_dictionary=False)
    content = bytearray(path.read_bytes())
    middle = content.index(b"\x1f\x8b", content.index(b"\x1f\x8b") + 2) + 20
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(Fault, match=r"t.parquet: not readable as Parquet"):
        rows(path)


def repeated(path: Path, text: str, num_rows: int) -> Path:
    """A Parquet file that stores `text` once, for all of its rows."""
    indices = pa.array([0] * num_rows, pa.int32())
    column = pa.DictionaryArray.from_arrays(indices, pa.array([text]))
    table = pa.table({"audio": ["a.wav"] * num_rows, "text": column})
    pq.write_table(table, path, compression="zstd", store_schema=False)
    return path


def test_a_text_of_megabytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="a text of 2,097,152 bytes; expected at most 1,048,576") as it:
        rows(repeated(tmp_path / "t.parquet", "x" * (1 << 21), 3000))
    assert it.value.code == "MAN-LINE"


def test_a_long_text_that_repeats_is_unpacked_for_few_rows_at_a_time(tmp_path: Path) -> None:
    text = "x" * 1_000_000
    path = repeated(tmp_path / "t.parquet", text, 3000)
    assert path.stat().st_size < 1000
    before = pa.total_allocated_bytes()
    for _, row in zip(range(20), TableSource(path=path).rows(), strict=False):
        assert isinstance(row, Row)
        assert row.text == text
        assert pa.total_allocated_bytes() - before < 40_000_000


def test_a_file_that_unpacks_to_hundreds_of_times_its_size_is_refused(tmp_path: Path) -> None:
    texts = [str(n) + "x" * 990_000 for n in range(70)]
    table = pa.table({"audio": ["a.wav"] * 70, "text": texts})
    path, plain = tmp_path / "t.parquet", {"use_dictionary": False, "write_statistics": False}
    pq.write_table(table, path, compression="zstd", **plain)
    with pytest.raises(Fault, match=r"bytes unpack to 69,3.*at most 200 times"):
        rows(path)


def test_a_damaged_byte_never_ends_the_process(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    columns = {"audio": ["a.wav"] * 50, "text": [str(n) for n in range(50)], "duration": [1.0] * 50}
    pq.write_table(pa.table(columns), path, store_schema=False)
    whole = path.read_bytes()
    for place in range(len(whole) // 2, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 5]) + whole[place + 1 :])
        with suppress(Fault):
            rows(path)


@pytest.mark.parametrize("text", [["one", "two"], {"array": [1.0]}, {"bytes": [b"x"]}])
def test_a_nested_column_is_refused(tmp_path: Path, text: object) -> None:
    pq.write_table(pa.table({"audio": ["a.wav"], "text": [text]}), tmp_path / "t.parquet")
    with pytest.raises(
        Fault, match=r"column 'text' holds (list|struct)<.*; expected text"
    ) as caught:
        rows(tmp_path / "t.parquet")
    assert caught.value.code == "MAN-COLUMN"


def test_a_column_name_that_is_not_utf8_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"audio": ["a"], "text": ["b"]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"text", b"te\xf8t"))
    with pytest.raises(Fault, match=r"t.parquet: .*0xf8") as caught:
        rows(path)
    assert caught.value.code == "MAN-ENCODING"


def test_text_that_is_not_utf8_names_the_file(tmp_path: Path) -> None:
    text = pa.array([b"caf\xe9"]).cast(pa.string(), safe=False)
    pq.write_table(pa.table({"audio": ["a.wav"], "text": text}), tmp_path / "t.parquet")
    with pytest.raises(Fault, match=r"t.parquet: .*0xe9") as caught:
        rows(tmp_path / "t.parquet")
    assert caught.value.code == "MAN-ENCODING"


def test_parquet_without_pyarrow_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(Fault, match=r"pip install 'mothertongue\[parquet\]'"):
        rows(tmp_path / "t.parquet")
