from pathlib import Path

import pytest

from mothertongue.data.sources.base import Row
from mothertongue.data.sources.detect import detect

CUE = "1\n00:00:00,100 --> 00:00:01,900\nhabari\n"
TABLE = "audio,text\na.wav,habari\n"


@pytest.mark.parametrize(
    ("name", "text", "layout"),
    [
        ("s1/a.txt", "habari", "paired"),
        ("s1/a.srt", CUE, "subtitles"),
        ("s1/train.csv", TABLE, "tables"),
    ],
)
def test_a_folder_that_is_a_symbolic_link_is_told(
    tmp_path: Path, name: str, text: str, layout: str
) -> None:
    corpus = tmp_path / "corpus"
    (corpus / "s1").mkdir(parents=True)
    (corpus / name).write_text(text)
    (corpus / "s1/a.wav").touch()
    if layout == "tables":
        (corpus / "s1/test.csv").write_text("audio,text\n")
    (tmp_path / "elsewhere").mkdir()
    (corpus / "s2").symlink_to(tmp_path / "elsewhere")
    source = detect(corpus)
    assert source.layout() == layout
    assert [row.text for row in source.rows() if isinstance(row, Row)] == ["habari"]
    assert source.remarks == ("folders that are symbolic links, not searched: 1, such as s2",)
    (corpus / "s2").unlink()
    list(source.rows())
    assert source.remarks == ()
