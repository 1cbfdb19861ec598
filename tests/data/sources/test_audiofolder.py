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
