import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleurs_files import wav

from mothertongue.data.embedded_audio import stored
from mothertongue.data.sources.base import Rejection, Row

A, B = wav(300.0), wav(400.0)


def store(folder: Path, *clips: tuple[str | None, bytes]) -> list[str]:
    """The names given to clips; every one of them must be inside of the folder."""
    rows = (Row(f"t:{n}", audio=name, embedded=content) for n, (name, content) in enumerate(clips))
    names = []
    for row, (_, content) in zip(stored(rows, folder), clips, strict=True):
        assert isinstance(row, Row)
        assert row.audio is not None
        assert (row.home, row.embedded) == (folder.resolve(), None)
        assert (folder / row.audio).read_bytes() == content
        assert (folder / row.audio).resolve().parent == folder.resolve()
        names.append(row.audio)
    return names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clip.wav", "clip.wav"),
        ("train/clip.FLAC", "clip.FLAC"),
        ("C:\\data\\clip.mp3", "clip.mp3"),
        ("../../etc/passwd", "passwd.wav"),
        ("/root/x.wav", "x.wav"),
        ("..", None),
        ("a/", None),
        (".hidden.wav", "hidden.wav"),
        (".tmp-x.wav", "tmp-x.wav"),
        ("-rf.wav", "rf.wav"),
        ("a\0b\n:c.wav", "a_b__c.wav"),
        ("v1.5.2", "v1.5.2.wav"),
        ("cafe\u0301.wav", "caf\u00e9.wav"),
        ("नेपाली.wav", "नेपाली.wav"),
        ("क" * 300 + ".ogg", "क" * 60 + ".ogg"),
        (None, None),
    ],
)
def test_names_are_plain_and_stay_in_the_folder(
    tmp_path: Path, name: str | None, expected: str | None
) -> None:
    (found,) = store(tmp_path / "out" / "audio", (name, A))
    if expected is None:
        assert found.removesuffix(".wav").isalnum()
        assert len(found) == len("0123456789abcdef.wav")
    else:
        assert found == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in (tmp_path / "out" / "audio").iterdir()] == [found]


def test_one_name_of_two_sounds_is_two_files(tmp_path: Path) -> None:
    clips = (("x/0.wav", A), ("y/0.wav", B), ("0.wav", A), (None, A), (None, B), ("0.wav", b""))
    names = store(tmp_path, *clips)
    assert names[0] == names[2] == "0.wav"
    assert len(set(names)) == 5
    assert store(tmp_path, *clips) == names


def test_what_is_there_is_not_written_again_and_never_over(tmp_path: Path) -> None:
    store(tmp_path, ("0.wav", A), ("1.wav", A))
    os.utime(tmp_path / "0.wav", (1, 1))
    (tmp_path / "1.wav").write_bytes(B)
    names = store(tmp_path, ("0.wav", A), ("1.wav", A))
    assert (tmp_path / "0.wav").stat().st_mtime == 1
    assert (tmp_path / "1.wav").read_bytes() == B
    assert names[1].startswith("1-")


def test_a_link_or_a_folder_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(B)
    folder = tmp_path / "audio"
    (folder / "d.wav").mkdir(parents=True)
    (folder / "l.wav").symlink_to(tmp_path / "mine")
    names = store(folder, ("l.wav", A), ("d.wav", A))
    assert all("-" in name for name in names)
    assert (tmp_path / "mine").read_bytes() == B
    assert (folder / "d.wav").is_dir()


def test_other_rows_pass_and_make_no_folder(tmp_path: Path) -> None:
    row = Row("t:1", audio="a.wav")
    rejection = Rejection("t:2", "MAN-TYPE", "a reason", "a fix", {})
    assert list(stored(iter([row, rejection]), tmp_path / "audio")) == [row, rejection]
    assert not (tmp_path / "audio").exists()


def test_a_stop_halfway_leaves_whole_files_and_the_next_run_goes_on(tmp_path: Path) -> None:
    def stopped() -> Iterator[Row]:
        yield Row("t:1", audio="0.wav", embedded=A)
        (tmp_path / f".tmp-{'0' * 32}").write_bytes(A[:50])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(stored(stopped(), tmp_path))
    assert store(tmp_path, ("0.wav", A), ("1.wav", B)) == ["0.wav", "1.wav"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.wav", "1.wav"]
