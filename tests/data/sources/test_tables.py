from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clips import tone, write_clip

from mothertongue.data.manifest import read_manifest
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.base import Row
from mothertongue.data.sources.detect import ReadingOptions, detect
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


def files(folder: Path, **tables: str) -> Path:
    """Write tables by the stems of their names, and three sounds in clips/."""
    (folder / "clips").mkdir(parents=True)
    for name in "abc":
        write_clip(folder / f"clips/{name}.wav", tone(0.5, 200 + 90 * ord(name)))
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text(lines)
    return folder


def test_a_test_table_without_texts_is_for_review(tmp_path: Path) -> None:
    folder = files(
        tmp_path / "corpus",
        Train="ID,transcription,age\na,habari,30\nb,asante,40\n",
        Test="ID,age\nc,50\n",
        SampleSubmission="ID,transcription\nc,\n",
    )
    source = detect(folder, ReadingOptions(audio_column="ID"))
    assert isinstance(source, TablesSource)
    options = PrepareOptions(language="sw", workers=1)
    report = prepare(source, tmp_path / "out", options, lambda text, language: 9)
    assert {clip.text for clip in read_manifest(tmp_path / "out")} == {"habari", "asante"}
    assert (report.rejected, report.aside) == ({}, {"untranscribed": 1})
    assert str(folder / "clips/c.wav") in (tmp_path / "out/review.jsonl").read_text()
    (told,) = (each for each in report.warnings if each.startswith("Test.csv: "))
    assert told.startswith("Test.csv: no column with texts, so its clips are no test split")
    # Train alone is a corpus without splits.
    assert report.split_by != "given"


def test_a_table_without_texts_that_is_no_test_is_refused(tmp_path: Path) -> None:
    for number, tables in enumerate(
        (
            {"train": "path,age\na.wav,1\n", "test": "path,text\nc.wav,hi\n"},
            {"train": "path,age\na.wav,1\n", "test": "path,age\nc.wav,1\n"},
        )
    ):
        with pytest.raises(Fault, match=r"MAN-COLUMN: .*train\.csv: no text column"):
            list(detect(files(tmp_path / str(number), **tables)).rows())


def test_sounds_may_be_in_a_folder_of_their_own(tmp_path: Path) -> None:
    table = "path,text\n{}.wav,habari\n"
    folder = files(tmp_path, train=table.format("a"), test=table.format("b"))
    assert [row[0] for row in rows(folder)] == ["clips/b.wav", "clips/a.wav"]
    # What is where its row says is taken from there.
    write_clip(folder / "a.wav", tone(0.5))
    assert [row[0] for row in rows(folder)] == ["clips/b.wav", "a.wav"]


def test_paths_with_a_slash_too_many_start_in_the_folder(tmp_path: Path) -> None:
    head = "idx,user_ids,accent,transcript,audio_ids,audio_paths,duration\n"
    line = "1,u{0},zulu,neno {0},/x/{0},/clips/{0}.wav,0.5\n"
    outside = f"2,u,zulu,siri,/x/o,{tmp_path}/o.wav,0.5\n/,u,zulu,siri,x,/clips/../../o.wav,0.5\n"
    (tmp_path / "o.wav").touch()
    folder = files(tmp_path / "corpus", train=head + line.format("a") + outside)
    source = detect(folder)
    found = [row for row in source.rows() if isinstance(row, Row)]
    assert [(row.audio, row.speaker, row.text) for row in found][0] == (
        "clips/a.wav",
        "ua",
        "neno a",
    )
    options = PrepareOptions(language="sw", workers=1, max_reject_fraction=1)
    report = prepare(source, tmp_path / "out", options, lambda text, language: 9)
    assert report.rejected == {"PATH-OUTSIDE": 2}
