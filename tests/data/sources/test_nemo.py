import json
from pathlib import Path

from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import ReadingOptions, detect
from mothertongue.data.sources.nemo import NemoSource
from mothertongue.data.sources.table import TableSource

LINE = {"audio_filepath": "a.wav", "text": "habari", "offset": 1.5, "duration": 2.5, "lang": "sw"}


def write(path: Path, *lines: object) -> Path:
    path.write_text(
        "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    )
    return path


def test_offset_and_duration_are_a_part_of_the_file(tmp_path: Path) -> None:
    whole = {"audio_filepath": "b.wav", "text": "asante", "duration": 2}
    path = write(tmp_path / "train_manifest.json", LINE, whole, '{"audio_filepath": "c.w')
    source = detect(path)
    assert isinstance(source, NemoSource)
    first, second, third = source.rows()
    assert first == Row(
        f"{path}:1", audio="a.wav", text="habari", language="sw", start_s=1.5, duration_s=2.5
    )
    assert second == Row(f"{path}:2", audio="b.wav", text="asante", duration_s=2.0)
    assert isinstance(third, Rejection)
    assert (third.code, third.where) == ("MAN-JSON", f"{path}:3")


def test_a_folders_manifests_have_the_splits_of_their_names(tmp_path: Path) -> None:
    for name in ("train_manifest.json", "manifest-dev.json", "test.jsonl"):
        write(tmp_path / name, LINE)
    write(tmp_path / "vocabulary.json", "{")
    found = [row.split for row in detect(tmp_path).rows() if isinstance(row, Row)]
    assert found == ["validation", "test", "train"]
    for name in ("manifest-dev.json", "test.jsonl"):
        (tmp_path / name).unlink()
    (alone,) = detect(tmp_path).rows()
    assert isinstance(alone, Row)
    assert alone.split is None


def test_a_key_can_be_chosen_and_a_lone_jsonl_file_is_a_table(tmp_path: Path) -> None:
    path = write(tmp_path / "m.json", LINE | {"words": "asante"})
    (row,) = detect(path, ReadingOptions(text_column="words")).rows()
    assert isinstance(row, Row)
    assert row.text == "asante"
    assert isinstance(detect(path.rename(tmp_path / "m.jsonl")), TableSource)


def test_a_manifest_whose_first_line_is_damaged_is_told(tmp_path: Path) -> None:
    write(tmp_path / "train_manifest.json", LINE)
    write(tmp_path / "dev_manifest.json", '{"audio_filepath": "b.w', LINE)
    write(tmp_path / "empty.json")
    source = detect(tmp_path)
    assert len(list(source.rows())) == 1
    assert source.remarks == (
        "files that do not begin with a JSON object, not read: dev_manifest.json",
    )
