from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clips import tone, write_clip
from fleurs_files import CONVERTED, LAYOUTS, record, records, write_parquet, write_tsv

from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import ReadingOptions, detect
from mothertongue.data.sources.fleurs import (
    PAPER_FOLDERS,
    PAPER_ROWS,
    FleursSource,
    paper_language,
    row_differences,
)
from mothertongue.data.sources.table import TableSource
from mothertongue.errors import ConfigError, Fault


def rows(folder: Path, **options: Any) -> list[Row]:
    found = list(FleursSource(path=folder, **options).rows())
    assert all(isinstance(row, Row) for row in found), found
    return [row for row in found if isinstance(row, Row)]


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_of_the_hub_is_told_by_looking(tmp_path: Path, name: str) -> None:
    folder = write_parquet(tmp_path / "sw_ke", records(), LAYOUTS[name])
    source = detect(folder)
    assert isinstance(source, FleursSource)
    found = [row for row in source.rows() if isinstance(row, Row)]
    given = [(split, each) for split, part in records().items() for each in part]
    assert [(row.split, row.audio, row.embedded, row.sentence_id) for row in found] == [
        (split, each["audio"]["path"], each["audio"]["bytes"], str(each["id"]))
        for split, each in given
    ]


def test_a_row_of_the_parquet(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "sw_ke", records())
    first, *_ = rows(folder)
    assert first == Row(
        f"{folder}/train/0000.parquet:1",
        audio="0.wav",
        text="sentensi namba 1",
        split="train",
        duration_s=0.5,
        sentence_id="1",
        embedded=records()["train"][0]["audio"]["bytes"],
    )
    assert rows(folder, text="raw_transcription")[0].text == "Sentensi, namba 1!"


def test_both_layouts_say_the_same(tmp_path: Path) -> None:
    parquet = rows(write_parquet(tmp_path / "a", records()))
    tsv = rows(write_tsv(tmp_path / "b", records()))
    assert isinstance(detect(tmp_path / "b"), FleursSource)
    assert [(row.text, row.duration_s, row.sentence_id) for row in parquet] == [
        (row.text, row.duration_s, row.sentence_id) for row in tsv
    ]


def test_a_row_without_its_audio_is_not_looked_for_on_the_writers_disk(tmp_path: Path) -> None:
    given = [
        record(1, "a.wav", 300.0, audio=None),
        record(2, "b.wav", 300.0, audio={"bytes": None, "path": "b.wav"}),
        record(3, "c.wav", 300.0, audio={"bytes": b"RIFF", "path": None}),
    ]
    found = rows(write_parquet(tmp_path / "sw_ke", {"test": given}))
    assert [(row.audio, row.embedded) for row in found] == [
        (None, None),
        ("b.wav", None),
        ("/root/.cache/huggingface/datasets/c.wav", b"RIFF"),
    ]


def test_one_split_alone_is_no_table(tmp_path: Path) -> None:
    folder = write_parquet(
        tmp_path / "sw_ke", {"test": records()["test"]}, {"test": ("test-00000-of-00001.parquet",)}
    )
    assert isinstance(detect(folder), FleursSource)
    with pytest.raises(Fault, match=r"one file of FLEURS; expected the folder of its language"):
        detect(folder / "test-00000-of-00001.parquet")


def test_another_parquet_corpus_is_no_fleurs(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([{"audio": "a.wav", "text": "hi"}])
    pq.write_table(table, tmp_path / "train-00000-of-00001.parquet")
    assert isinstance(detect(tmp_path), TableSource)


def test_a_file_with_other_columns_is_named(tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "sw_ke", records())
    table = pq.read_table(folder / "test" / "0000.parquet").drop_columns(["id", "transcription"])
    pq.write_table(table, folder / "test" / "0000.parquet")
    with pytest.raises(Fault, match=r"test/0000.parquet: no column id, transcription; expected"):
        list(FleursSource(path=folder).rows())


def test_an_archive_that_is_not_unpacked_is_named(tmp_path: Path) -> None:
    folder = write_tsv(tmp_path / "sw_ke", records())
    (folder / "audio" / "dev").rename(tmp_path / "dev")
    (folder / "audio" / "dev.tar.gz").write_bytes(b"")
    with pytest.raises(Fault, match=r"dev.tar.gz: not unpacked; .* tar -xzf .*dev.tar.gz -C "):
        list(detect(folder).rows())


def test_a_number_of_samples_that_is_none_costs_its_row(tmp_path: Path) -> None:
    given = [record(1, "a.wav", 300.0, num_samples=-1), record(2, "b.wav", 300.0, num_samples=None)]
    bad, good = FleursSource(path=write_parquet(tmp_path, {"test": given})).rows()
    assert isinstance(bad, Rejection)
    assert (bad.code, bad.row["split"]) == ("MAN-TYPE", "test")
    assert isinstance(good, Row)
    assert good.duration_s is None


@pytest.mark.parametrize("samples", ["9" * 400, "9" * 5000, "many", "-1"])
def test_a_tsv_with_such_a_number_costs_its_row_too(tmp_path: Path, samples: str) -> None:
    (tmp_path / "test.tsv").write_text(f"1\ta.wav\tRaw\traw\tr\t{samples}\tMALE\n")
    (bad,) = FleursSource(path=tmp_path).rows()
    assert isinstance(bad, Rejection)
    assert bad.code == "MAN-TYPE"


def test_the_text_field_is_for_fleurs_and_columns_are_for_tables(tmp_path: Path) -> None:
    fleurs = write_parquet(tmp_path / "sw_ke", records(), CONVERTED)
    source = detect(fleurs, ReadingOptions(text_field="raw_transcription"))
    assert isinstance(source, FleursSource)
    assert source.text == "raw_transcription"
    write_clip(tmp_path / "a.wav", tone())
    (tmp_path / "t.csv").write_text("audio,text\na.wav,hi\n")
    with pytest.raises(ConfigError, match="--text-field has no effect on a corpus of kind table"):
        detect(tmp_path / "t.csv", ReadingOptions(text_field="transcription"))
    with pytest.raises(
        ConfigError, match=r"--text-column has no effect .* which takes --text-field; .*table"
    ):
        detect(fleurs, ReadingOptions(text_column="raw_transcription"))


def test_parquet_fleurs_without_pyarrow_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_parquet(tmp_path / "sw_ke", records())
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(Fault, match=r"pip install 'mothertongue\[parquet\]'"):
        detect(folder)


def test_the_papers_languages_are_known_by_folder_then_by_code() -> None:
    assert set(PAPER_FOLDERS.values()) == set(PAPER_ROWS)
    assert paper_language(Path("snapshot/parquet-data/ne_np"), "sw") == "ne"
    assert paper_language(Path("mine"), "is") == "is"
    assert paper_language(Path("mine"), "ha") is None
    assert paper_language(Path("en_us"), None) is None


def test_rows_that_differ_are_named_by_split() -> None:
    assert row_differences("is", {"train": 926, "validation": 36, "test": 46}) == ()
    assert row_differences("is", {"train": 926, "validation": 35}) == (
        "validation has 35 rows, expected 36",
        "test has 0 rows, expected 46",
    )
    # Table 2's totals: 17,262 rows of train, 1,970 of validation, 4,361 of test.
    assert [sum(column) for column in zip(*PAPER_ROWS.values(), strict=True)] == [17262, 1970, 4361]
