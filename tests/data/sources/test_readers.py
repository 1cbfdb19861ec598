from pathlib import Path

import pytest

from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import detect
from mothertongue.errors import Fault

# Gurmukhi, and U+010A: a byte of theirs is that of a line feed.
TEXT = "ਸਤਿ ਸ੍ਰੀ Ċ"
UTF16 = {"little": "utf-16-le", "big": "utf-16-be"}


def write(path: Path, content: str, encoding: str) -> Path:
    path.write_bytes(f"\ufeff{content}".encode(encoding))
    return path


def rows(path: Path) -> list[Row | Rejection]:
    return list(detect(path).rows())


@pytest.mark.parametrize("order", UTF16)
@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".csv", ";"), (".tsv", "\t")])
def test_utf16_with_a_mark_is_read(tmp_path: Path, order: str, suffix: str, delimiter: str) -> None:
    lines = ["audio,text", f"a.wav,{TEXT}", "", "b.wav,yo"]
    content = "\r\n".join(lines).replace(",", delimiter)
    path = write(tmp_path / f"t{suffix}", content, UTF16[order])
    assert rows(path) == [
        Row(f"{path}:2", audio="a.wav", text=TEXT),
        Row(f"{path}:4", audio="b.wav", text="yo"),
    ]


def test_a_long_table_of_utf16_is_read_whole(tmp_path: Path) -> None:
    texts = [f"{TEXT} {number}" for number in range(5000)]
    content = "".join(f"a.wav,{text}\n" for text in ["text", *texts]).replace("a.wav", "audio", 1)
    path = write(tmp_path / "t.csv", content, "utf-16-be")
    assert [row.text for row in rows(path) if isinstance(row, Row)] == texts


def test_excel_quotes_fields_of_its_unicode_text(tmp_path: Path) -> None:
    content = 'audio\ttext\r\na.wav\t"ndiyo, ""sawa"""\r\nb.wav\t"wazi\r\n'
    good, bad = rows(write(tmp_path / "t.tsv", content, "utf-16-le"))
    assert isinstance(good, Row) and isinstance(bad, Rejection)
    assert (good.text, bad.code) == ('ndiyo, "sawa"', "MAN-QUOTE")
    plain = tmp_path / "plain.tsv"
    plain.write_text('audio\ttext\na.wav\t"ndiyo"\n')
    (row,) = rows(plain)
    assert isinstance(row, Row) and row.text == '"ndiyo"'


def test_text_files_beside_sounds_may_be_utf16(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    write(tmp_path / "a.txt", f"{TEXT}\r\nndiyo\r\n", "utf-16-le")
    (row,) = rows(tmp_path)
    assert isinstance(row, Row) and row.text == f"{TEXT} ndiyo"


TABLE = "audio,text\na,b\n"
FAULTS: dict[str, tuple[str, bytes]] = {
    "no mark": ("UTF-16 without a byte order mark", TABLE.encode("utf-16-le")),
    "no mark, big": ("UTF-16 without a byte order mark", TABLE.encode("utf-16-be")),
    "utf-32": ("a UTF-32 byte order mark", TABLE.encode("utf-32")),
    "half a character": ("not whole UTF-16 before byte offset 31", TABLE.encode("utf-16")[:-1]),
    "half a pair": ("not whole UTF-16", "\ufeffaudio,text\n".encode("utf-16-le") + b"\x00\xd8a\0"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_another_utf_is_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    message, content = FAULTS[name]
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(Fault, match=f"MAN-ENCODING: .*{message}.*; .*save .* as UTF-8"):
        rows(tmp_path / "t.csv")


def test_a_line_of_utf16_may_have_a_megabyte(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "audio,text\na.wav," + "x" * (1 << 20), "utf-16-le")
    with pytest.raises(Fault, match=r"MAN-LINE: .*t.csv:2: a line of over 1,048,576 bytes"):
        rows(path)


def test_json_lines_are_utf8_only(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", '{"audio": "a.wav", "text": "hi"}\n', "utf-16-le")
    with pytest.raises(Fault, match=r"MAN-ENCODING: .*UTF-16 byte order mark"):
        rows(path)
