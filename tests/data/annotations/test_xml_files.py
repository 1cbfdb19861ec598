from pathlib import Path

import pytest

from mothertongue.data.annotations import text_files
from mothertongue.data.annotations.xml_files import parse_xml
from mothertongue.errors import Fault

BOMB = """<?xml version="1.0"?>
<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<a>&c;</a>"""


def parse(folder: Path, content: str | bytes) -> str | None:
    path = folder / "a.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return parse_xml(path, "a", "ELAN").text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (BOMB, "a document type with declarations"),
        (BOMB.encode("utf-16"), "a document type with declarations"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "document type"),
        ('<!DOCTYPE a SYSTEM "a.dtd"><a>caf&eacute;</a>', "the entity &eacute;"),
        ("<a>&eacute;</a>", "not well-formed XML: undefined entity"),
        ("<a>" * 100_000, "over 64 deep"),
        ("<a>caf\xe9</a>".encode("latin-1"), "not well-formed XML"),
        ('<?xml version="1.0" encoding="klingon"?><a/>', "not well-formed XML: unknown encoding"),
        ("<a><b></a>", "mismatched tag"),
    ],
)
def test_what_is_hostile_or_damaged_is_refused(
    tmp_path: Path, content: str | bytes, expected: str
) -> None:
    with pytest.raises(Fault, match=rf"MAN-FORMAT: .*a.xml: .*{expected}"):
        parse(tmp_path, content)


def test_a_document_type_that_only_names_a_file_opens_none(tmp_path: Path) -> None:
    (tmp_path / "a.dtd").write_text("<!ELEMENT broken")
    assert parse(tmp_path, '<!DOCTYPE a SYSTEM "a.dtd"><a>x</a>') == "x"


@pytest.mark.parametrize(
    "content",
    [
        "<a>caf\xe9</a>".encode("utf-16"),
        '<?xml version="1.0" encoding="ISO-8859-1"?><a>caf\xe9</a>'.encode("latin-1"),
        "\ufeff<a>caf\xe9</a>".encode(),
    ],
)
def test_the_declared_encoding_counts(tmp_path: Path, content: bytes) -> None:
    assert parse(tmp_path, content) == "caf\xe9"


def test_a_file_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "MAX_BYTES", 10)
    with pytest.raises(Fault, match=r"MAN-LINE: .* over 10 bytes"):
        parse(tmp_path, "<a>0123456789</a>")
