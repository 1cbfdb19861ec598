from pathlib import Path

import pytest

from mothertongue.data.annotations.text_files import check_encoding, read_text
from mothertongue.errors import ConfigError, Fault

TEXT = "na\xefve \u0250\n\u0bb5\u0ba3\u0b95\u0bcd\u0b95\u0bae\u0bcd\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_is_told_by_its_first_bytes(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT.replace("\n", "\r\n").encode(encoding))
    assert read_text(path) == TEXT


def test_another_encoding_is_not_guessed_but_taken_when_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(b"1\ncaf\xe9\n")
    with pytest.raises(
        Fault, match=r"MAN-ENCODING: .* 0xe9 at byte offset 5 is not UTF-8; .*cp1252"
    ):
        read_text(path)
    assert read_text(path, "cp1252") == "1\ncaf\xe9\n"
    with pytest.raises(Fault, match="byte offset 5 is not ASCII"):
        read_text(path, "ascii")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"MAN-FORMAT: .*a.txt: No such file"):
        read_text(tmp_path / "a.txt")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_an_encoding_is_that_of_the_files_that_are_not_unicode(
    tmp_path: Path, encoding: str
) -> None:
    (tmp_path / "a.srt").write_bytes(TEXT.encode(encoding))
    (tmp_path / "b.srt").write_bytes("caf\xe9".encode("cp1252"))
    assert read_text(tmp_path / "a.srt", "cp1252") == TEXT
    assert read_text(tmp_path / "b.srt", "cp1252") == "caf\xe9"


@pytest.mark.parametrize("name", ["klingon", "base64", "rot13"])
def test_what_is_no_text_encoding_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=f"--encoding {name}: no text encoding"):
        check_encoding(name)
    assert check_encoding("cp1252") == "cp1252"
    assert check_encoding(None) is None
