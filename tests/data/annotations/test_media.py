import os
from pathlib import Path

import pytest

from mothertongue.data.annotations.media import Sound, Sounds
from mothertongue.data.annotations.segments import Media
from mothertongue.errors import Fault


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF")
    return path


def find(root: Path, *names: str, stem: str = "a", origin_s: float = 0.0) -> Sound:
    media = [Media(names, origin_s)] if names else []
    return Sounds(root, is_whole=True).find(root / "eaf" / f"{stem}.eaf", stem, media)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "corpus/eaf").mkdir(parents=True)
    return tmp_path / "corpus"


@pytest.mark.parametrize(
    "name",
    [
        "../wav/my rec.wav",
        "../wav/my%20rec.wav",
        "..\\wav\\my rec.wav",
        "file:///{root}/wav/my%20rec.wav",
        "file:{root}/wav/my%20rec.wav",
        "{root}/wav/my rec.wav",
    ],
)
def test_a_named_path_in_the_corpus_is_taken(root: Path, name: str) -> None:
    touch(root / "wav/my rec.wav")
    touch(root / "eaf/a.wav")
    named = name.format(root=str(root).lstrip("/") if "///" in name else root)
    assert find(root, named, origin_s=2.0) == Sound("wav/my rec.wav", 2.0)


@pytest.mark.parametrize(
    "name", ["file:///C:/field/rec.wav", "http://archive.org/x/rec.wav", "media/rec.wav"]
)
@pytest.mark.parametrize("place", ["eaf/rec.wav", "deep/below/REC.WAV"])
def test_a_recording_named_elsewhere_is_taken_by_its_name(
    root: Path, name: str, place: str
) -> None:
    touch(root / place)
    touch(root / "eaf/a.wav")
    found = find(root, name)
    assert found.path == place
    assert found.is_elsewhere == ("://archive.org" not in name or place != "eaf/rec.wav")


@pytest.mark.parametrize(
    ("stem", "name"),
    [("a", "a.mp3"), ("a.wav", "a.wav"), ("a.sw", "a.flac"), ("\xe9", "e\u0301.wav")],
)
def test_without_a_name_the_stem_counts(root: Path, stem: str, name: str) -> None:
    touch(root / "eaf" / name)
    assert find(root, stem=stem) == Sound(f"eaf/{name}")


def test_lossless_sound_comes_before_a_video_of_the_same_stem(root: Path) -> None:
    for name in ("a.mp4", "a.wav"):
        touch(root / "eaf" / name)
    assert find(root, "a.mpg").path == "eaf/a.wav"


def test_two_of_a_name_elsewhere_are_none(root: Path) -> None:
    touch(root / "one/a.wav")
    touch(root / "two/a.wav")
    with pytest.raises(Fault, match="no sound called a beside it; put the recording beside it"):
        find(root)


def find_at(root: Path, file: str) -> str | None:
    """The recording of a file that names none; None if there is none."""
    try:
        return Sounds(root, is_whole=True).find(root / file, Path(file).stem, []).path
    except Fault:
        return None


def test_the_nearest_of_several_recordings_of_a_name_is_taken(root: Path) -> None:
    names = ("a/mary.mp3", "b/mary.wav", "day1/wav/x.wav", "day2/x.wav", "day2/deep/below/x.wav")
    for name in names:
        touch(root / name)
    files = ["a/mary.TextGrid", "b/mary.TextGrid", "day1/eaf/x.eaf", "day2/eaf/x.eaf", "x.eaf"]
    assert [find_at(root, each) for each in files] == [
        "a/mary.mp3",
        "b/mary.wav",
        "day1/wav/x.wav",
        "day2/x.wav",
        "day2/x.wav",
    ]


def test_mirrored_folders_belong_together(root: Path) -> None:
    for name in ("wav/anna/001.wav", "wav/ben/001.wav", "wav/zoe/deep/001.wav"):
        touch(root / name)
    assert find_at(root, "grids/anna/001.TextGrid") == "wav/anna/001.wav"
    assert find_at(root, "grids/ben/001.TextGrid") == "wav/ben/001.wav"
    assert find_at(root, "grids/carl/001.TextGrid") is None  # two are as near


@pytest.mark.parametrize(("named", "is_elsewhere"), [("rec", False), ("x/rec.wav", True)])
def test_a_name_without_a_folder_is_nowhere_else(
    root: Path, named: str, is_elsewhere: bool
) -> None:
    touch(root / "sph/rec.wav")
    assert find(root, named) == Sound("sph/rec.wav", is_elsewhere=is_elsewhere)


def test_a_single_file_is_no_reason_to_search_its_folder(root: Path) -> None:
    touch(root / "eaf/deep/a.wav")
    with pytest.raises(Fault, match="AUD-MISSING"):
        Sounds(root / "eaf", is_whole=False).find(root / "eaf/a.eaf", "a", [])


def test_outside_is_the_last_resort_and_given_as_an_absolute_path(root: Path) -> None:
    outside = touch(root.parent / "secret.wav")
    assert find(root, f"file://{outside}") == Sound(str(outside))
    assert find(root, "../../secret.wav").path == str(root / "eaf/../../secret.wav")
    touch(root / "eaf/secret.wav")
    assert find(root, f"file://{outside}") == Sound("eaf/secret.wav", is_elsewhere=True)


def test_links_out_and_what_is_no_file_are_not_taken(root: Path) -> None:
    outside = touch(root.parent / "secret.wav")
    (root / "eaf/a.wav").symlink_to(outside)
    os.mkfifo(root / "eaf/a.flac")
    (root / "eaf/a.mp3").mkdir()
    with pytest.raises(Fault, match=r"it names '/gone/b.wav', and there is no sound called a"):
        find(root, "/gone/b.wav")


@pytest.mark.parametrize(("named", "name"), [("rec", "rec.mp3"), ("C:\\old\\rec.v2", "rec.v2.WAV")])
def test_a_name_without_a_suffix_is_of_any_sound(root: Path, named: str, name: str) -> None:
    touch(root / "eaf" / name)
    touch(root / "eaf/a.wav")
    assert find(root, named) == Sound(f"eaf/{name}", is_elsewhere="\\" in named)


def test_hidden_folders_are_not_searched(root: Path) -> None:
    touch(root / ".trash/a.wav")
    touch(root / "one/a.wav")
    sounds = Sounds(root, is_whole=True)
    assert sounds.find(root / "eaf/a.eaf", "a", []) == Sound("one/a.wav")
    touch(root / "two/b.wav")
    touch(root / "one/a.mp4")  # the picture of a recording that is used
    assert Sounds(root, is_whole=True).others({"one/a.wav"}) == ["two/b.wav"]
