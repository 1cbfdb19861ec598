from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mothertongue.data.sources.base import Row
from mothertongue.data.sources.detect import detect
from mothertongue.data.sources.table import TableSource
from mothertongue.data.sources.tables import TablesSource
from mothertongue.errors import Fault


def write(path: Path, text: str) -> Path:
    """Write a table with one clip, in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"audio": ["a.wav"], "text": [text]}), path)
    else:
        path.write_text(f"audio,text\na.wav,{text}\n")
    return path


def rows(folder: Path) -> list[tuple[str | None, str | None, str | None]]:
    source = detect(folder)
    assert isinstance(source, TablesSource)
    return [(row.audio, row.text, row.split) for row in source.rows() if isinstance(row, Row)]


def test_names_of_tables_give_the_splits(tmp_path: Path) -> None:
    for name in ("train", "dev", "corpus_test"):
        write(tmp_path / f"{name}.csv", name)
    assert rows(tmp_path) == [
        ("a.wav", "corpus_test", "test"),
        ("a.wav", "dev", "validation"),
        ("a.wav", "train", "train"),
    ]
    # It is not known whether it repeats the others.
    write(tmp_path / "all.csv", "all")
    with pytest.raises(Fault, match=r"a folder with all\.csv, corpus_test\.csv"):
        detect(tmp_path)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
        ("train/0000.parquet", "test/0000.parquet"),
        ("sw/partial-train/0000.parquet", "sw/test/0000.parquet"),
        ("data/ASR/sw/sw-train-00000.parquet", "data/ASR/sw/sw-test-00000.parquet"),
    ],
)
def test_parquet_is_read_as_the_hub_lays_it_out(tmp_path: Path, train: str, test: str) -> None:
    write(tmp_path / train, "one")
    write(tmp_path / test, "two")
    write(tmp_path / ".cache/x.parquet", "hidden")
    found = {text: (audio, split) for audio, text, split in rows(tmp_path)}
    assert found == {
        "one": (str(Path(train).parent / "a.wav"), "train"),
        "two": (str(Path(test).parent / "a.wav"), "test"),
    }


def test_train_alone_is_a_corpus_without_splits(tmp_path: Path) -> None:
    for number in range(2):
        write(tmp_path / f"train-{number}.parquet", str(number))
    assert {split for _, _, split in rows(tmp_path)} == {None}
    (tmp_path / "train-1.parquet").unlink()
    assert isinstance(detect(tmp_path), TableSource)


def test_several_corpora_are_named(tmp_path: Path) -> None:
    for name in ("sw/train/0.parquet", "yo/train/0.parquet"):
        write(tmp_path / name, "x")
    with pytest.raises(Fault, match="tables of several corpora: sw, yo; point at one"):
        rows(tmp_path)
