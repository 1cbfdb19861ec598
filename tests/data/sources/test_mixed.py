"""Folders that hold several layouts: what is taken, once, and what is no mixture."""

from pathlib import Path

import pytest

from mothertongue.data.sources.base import Row, Source
from mothertongue.data.sources.detect import ReadingOptions, detect
from mothertongue.data.sources.elan import ElanSource
from mothertongue.data.sources.mixed import EAF, SRT, MixedSource
from mothertongue.data.sources.textgrid import EXAMPLE
from mothertongue.errors import ConfigError, Fault

TABLE = "file_name,text\nb.wav,habari\n"


def corpus(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def told(source: Source) -> list[tuple[str | None, str | None]]:
    """The text of each row and its sound, seen from the folder."""
    rows = [row for row in source.rows() if isinstance(row, Row)]
    homes = [(row.home or source.root) / str(row.audio) for row in rows]
    return [
        (row.text, sound.relative_to(source.root).as_posix())
        for row, sound in zip(rows, homes, strict=True)
    ]


def test_each_recording_is_taken_from_the_first_format(tmp_path: Path) -> None:
    files = {"a.eaf": EAF, "a.wav": "", "a.srt": SRT, "b.srt": SRT, "b.wav": ""}
    source = detect(corpus(tmp_path, files))
    assert told(source) == [("habari", "a.wav"), ("asante", "b.wav")]
    assert "elan: 1 recordings" in source.remarks
    left_out = "subtitles: recordings that another part has too, left out: 1"
    assert left_out in source.remarks


def test_folders_of_several_layouts_are_read_side_by_side(tmp_path: Path) -> None:
    files = {
        "elan/a.eaf": EAF,
        "elan/a.wav": "",
        "one/metadata.csv": TABLE,
        "one/b.wav": "",
        "two/metadata.csv": TABLE,
        "two/b.wav": "",
    }
    source = detect(corpus(tmp_path, files))
    assert isinstance(source, MixedSource)
    assert told(source) == [
        ("habari", "elan/a.wav"),
        ("habari", "one/b.wav"),
        ("habari", "two/b.wav"),
    ]


def test_folders_of_any_layout_are_read_beside_annotations(tmp_path: Path) -> None:
    files = {
        "elan/a.eaf": EAF,
        "elan/a.wav": "",
        "elan/a.txt": "kumbuka",
        "people/list.csv": "name,age\nAnna,30\n",
        "read/b.wav": "",
        "read/b.txt": "moja",
        "table/clips.csv": "path,text\nc.wav,mbili\n",
        "table/c.wav": "",
    }
    source = detect(corpus(tmp_path, files))
    assert told(source) == [
        ("habari", "elan/a.wav"),
        ("moja", "read/b.wav"),
        ("mbili", "table/c.wav"),
    ]
    assert not [each for each in source.remarks if "left out" in each]


def test_tables_in_folders_beside_subtitles_in_others(tmp_path: Path) -> None:
    files = {"t/metadata.csv": TABLE, "t/b.wav": "", "k/wav.scp": "u b.wav\n", "k/text": "u moja\n"}
    source = detect(corpus(tmp_path, files | {"k/b.wav": ""}))
    assert sorted(told(source)) == [("habari", "t/b.wav"), ("moja", "k/b.wav")]


def test_a_setting_goes_to_the_parts_that_have_it(tmp_path: Path) -> None:
    files = {"a.eaf": EAF, "a.wav": "", "b.srt": SRT, "b.wav": ""}
    folder = corpus(tmp_path, files)
    assert told(detect(folder, ReadingOptions(tier=("u",), join=20.0)))
    with pytest.raises(ConfigError, match="no tier"):
        list(detect(folder, ReadingOptions(tier=("words",))).rows())
    with pytest.raises(ConfigError, match="no text encoding"):
        detect(folder, ReadingOptions(encoding="klingon"))


def test_each_part_takes_those_of_the_tiers_that_it_has(tmp_path: Path) -> None:
    files = {
        "a.eaf": EAF,
        "a.wav": "",
        "b.TextGrid": EXAMPLE,
        "b.wav": "",
        "c.srt": SRT,
        "c.wav": "",
    }
    folder = corpus(tmp_path, files)
    for tiers, texts in (
        (("u", "words"), ["habari", "habari", "asante"]),
        (("words",), ["habari", "asante"]),
    ):
        source = detect(folder, ReadingOptions(tier=tiers))
        assert [text for text, _ in told(source)] == texts
        left = "elan: none of the tiers asked for, left out" in source.remarks
        assert left == ("u" not in tiers)
    with pytest.raises(ConfigError, match=r"--tier x: no tier .*; found 'u', 'words'; give one"):
        list(detect(folder, ReadingOptions(tier=("words", "x"))).rows())


def test_folders_of_one_layout_are_no_mixture(tmp_path: Path) -> None:
    two = {
        f"{name}/{file}": text for name in "ab" for file, text in {"metadata.csv": TABLE}.items()
    }
    with pytest.raises(Fault, match="a folder with a/, b/"):
        detect(corpus(tmp_path / "tables", two))
    assert isinstance(
        detect(corpus(tmp_path / "elan", {"x/a.eaf": EAF, "y/b.eaf": EAF})), ElanSource
    )


def test_recordings_that_no_part_reads_are_told(tmp_path: Path) -> None:
    files = {"a.eaf": EAF, "a.wav": "", "b.srt": SRT, "b.wav": "", "c.wav": "", "c.txt": "moja"}
    source = detect(corpus(tmp_path, files | {"d.wav": ""}))
    assert len(told(source)) == 2
    assert [each for each in source.remarks if "without" in each] == [
        "recordings without annotations, left out: 2, such as c.wav; move those with a text beside "
        "them, such as c.wav, to a folder of their own to read them"
    ]
