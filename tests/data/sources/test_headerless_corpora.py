"""Test more corpora with tables without a header: SLR83's line_index.csv, M-AILABS, Kathbath."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import detect
from mothertongue.data.sources.headerless import HeaderlessSource
from mothertongue.data.sources.table import TableSource
from mothertongue.errors import Fault


def corpus(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def told(path: Path) -> list[tuple[str | None, ...]]:
    source = detect(path)
    assert isinstance(source, HeaderlessSource)
    rows = [row for row in source.rows() if isinstance(row, Row)]
    return [(row.audio, row.text, row.speaker, row.split) for row in rows]


def test_commas_of_a_text_delimit_nothing(tmp_path: Path) -> None:
    table = (
        "EN01, irm_02484_001, Habari, ndugu, yako?\n"
        'EN02,irf_03397_002,"Asante, ""rafiki""."\n'
        'EN03, irf_03397_003, "Ndiyo" na "hapana"\n'
        "EN04, irx, \n"
    )
    sounds = ("irm_02484_001.wav", "wavs/irf_03397_002.wav", "irish {0}/irf_03397_003.wav")
    folder = corpus(tmp_path, {"line_index.csv": table, **dict.fromkeys(sounds, "")})
    expected = [
        (sounds[0], "Habari, ndugu, yako?", "irm_02484", None),
        (sounds[1], 'Asante, "rafiki".', "irf_03397", None),
        (sounds[2], '"Ndiyo" na "hapana"', "irf_03397", None),
    ]
    assert told(folder)[:3] == told(folder / "line_index.csv")[:3] == expected
    assert told(folder)[3][1:] == (None, None, None)


def test_a_line_with_too_few_fields_costs_its_row(tmp_path: Path) -> None:
    table = "EN01, irm_02484_001, habari\nEN02, irf_03397_002\nEN03\n"
    folder = corpus(tmp_path, {"line_index_all.csv": table, "a/irm_02484_001.wav": ""})
    good, *bad = detect(folder).rows()
    assert isinstance(good, Row)
    assert [row.reason for row in bad if isinstance(row, Rejection)] == [
        "2 fields, expected 3, the last one the text",
        "1 fields, expected 3, the last one the text",
    ]


@pytest.mark.parametrize(
    "table",
    ["id,path,sentence\n1,a.wav,habari\n", "no,clip,words\n1,a.wav,habari\n", "a.wav,habari\n"],
)
def test_a_csv_table_with_a_header_is_read_as_before(tmp_path: Path, table: str) -> None:
    folder = corpus(tmp_path, {"line_index.csv": table, "a.wav": ""})
    assert isinstance(detect(folder), TableSource)


def test_m_ailabs_has_folders_of_speakers_and_books(tmp_path: Path) -> None:
    book = "by_book/male/elliot_miller/the_test_of_time"
    files = {
        f"{book}/metadata.csv": "a|Mwaka 1455.|Mwaka elfu moja.\nb|Asante.|\nc|Sawa|sawa\n",
        f"{book}/wavs/a.wav": "",
        f"{book}/wavs/b.wav": "",
        "by_book/female/anna/dev/metadata.csv": "c|Ndiyo|Ndiyo.\n",
        "by_book/female/anna/dev/wavs/c.wav": "",
        "by_book/mix/hadithi/metadata.csv": "d|Hapana|Hapana.\n",
        "by_book/mix/hadithi/wavs/d.wav": "",
        "by_book/mix/hadithi/metadata_mls.json": '{"d.wav": {"clean": "Hapana."}}',
    }
    folder = corpus(tmp_path, files)
    # The names of books are no splits.
    assert told(folder) == [
        ("by_book/female/anna/dev/wavs/c.wav", "Ndiyo.", "anna", None),
        (f"{book}/wavs/a.wav", "Mwaka elfu moja.", "elliot_miller", None),
        (f"{book}/wavs/b.wav", "Asante.", "elliot_miller", None),
        (f"{book}/wavs/c.wav", "sawa", "elliot_miller", None),
        ("by_book/mix/hadithi/wavs/d.wav", "Hapana.", None, None),
    ]
    # A book by itself is as LJSpeech is.
    assert told(folder / book)[1] == ("wavs/b.wav", "Asante.", None, None)


def test_kathbath_has_speakers_in_its_ids_and_sounds_that_were_converted(tmp_path: Path) -> None:
    files = {"train/bucket.csv": "fname,bucket\n", "train/audio/8449-513-f.m4a": ""}
    for split, name in (("train", "8449-513-f"), ("valid", "8448-659-m"), ("test_known", "8447-7")):
        files[f"{split}/transcription_n2w.txt"] = f"{name}.m4a\tneno, la {name}\n"
    files |= {"valid/audio/8448-659-m.wav": ""}
    assert told(corpus(tmp_path, files)) == [
        ("test_known/audio/8447-7.m4a", "neno, la 8447-7", None, "test"),
        ("train/audio/8449-513-f.m4a", "neno, la 8449-513-f", "513", "train"),
        ("valid/audio/8448-659-m.wav", "neno, la 8448-659-m", "659", "validation"),
    ]


def test_a_damaged_table_of_a_book_is_not_left_out(tmp_path: Path) -> None:
    corpus(
        tmp_path, {"by_book/male/x/a/metadata.csv": "a|b|c\n", "by_book/male/x/a/wavs/a.wav": ""}
    )
    (tmp_path / "by_book/male/x/b").mkdir()
    (tmp_path / "by_book/male/x/b/metadata.csv").write_bytes(b"a|caf\xe9|b\n")
    source = detect(tmp_path)
    assert isinstance(source, HeaderlessSource)
    with pytest.raises(Fault, match=r"b/metadata\.csv:1: byte 0xe9"):
        list(source.rows())
