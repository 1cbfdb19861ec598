from pathlib import Path

import pytest

from mothertongue.data.sources.audiofolder import AudioFolderSource
from mothertongue.data.sources.base import Row
from mothertongue.data.sources.detect import detect


def corpus(folder: Path, tables: dict[str, str]) -> Path:
    for name, text in tables.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("path", ["{}/a.wav", "./{}/a.wav", "{}\\a.wav", ".\\{}\\a.wav"])
def test_a_path_in_a_split_folder_gives_the_split(tmp_path: Path, path: str) -> None:
    lines = "".join(f"{path.format(split)},habari\n" for split in ("train", "dev", "old"))
    source = detect(corpus(tmp_path, {"metadata.csv": f"file_name,text\n{lines}"}))
    assert isinstance(source, AudioFolderSource)
    found = [row.split for row in source.rows() if isinstance(row, Row)]
    assert found == ["train", "dev", None]


def test_tables_that_are_not_read_are_told(tmp_path: Path) -> None:
    """Read only tables in folders of splits, or the one at the top."""
    told = "tables that were not read: extra/metadata.csv; name their folders train, dev or test"
    table = {"train/metadata.csv": "file_name,text\na.wav,hi\n", "extra/metadata.csv": "x"}
    lines = {"train/metadata.csv": "a|habari\n", "extra/metadata.csv": "b|asante\n"}
    pairs = {"a.wav": "", "a.txt": "habari", "extra/metadata.csv": "x"}
    for number, files in enumerate((table, lines, pairs)):
        source = detect(corpus(tmp_path / str(number), files))
        assert len(list(source.rows())) == 1
        assert [each.startswith(told) for each in source.remarks] == [True]
        (tmp_path / str(number) / "extra/metadata.csv").unlink()
        list(source.rows())
        assert source.remarks == ()
