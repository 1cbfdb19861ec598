"""Which recordings are meant, and that nothing is written twice or over something else."""

from pathlib import Path

import pytest

from mothertongue.errors import ConfigError, DataError, MothertongueError
from mothertongue.inference.output_files import (
    RECORD,
    Outputs,
    Source,
    find_sources,
    opened_outputs,
)
from mothertongue.inference.subtitles import Recording

NOTHING = Recording("sw", 1.0, ())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.wav", "b/c.MP3", "b/d.opus", "b/notes.txt", "2024.05.01.flac"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "in"


def names(sources: list[Source]) -> list[str]:
    return [each.name.as_posix() for each in sources]


def test_folders_files_and_patterns(tree: Path) -> None:
    assert names(find_sources([tree])) == ["2024.05.01", "a", "b/c", "b/d"]
    assert names(find_sources([tree / "b/notes.txt"])) == ["notes"]  # named, so it is meant
    assert names(find_sources([tree / "b" / "*.opus"])) == ["d"]
    assert names(find_sources([tree / "**" / "*.wav"])) == ["a"]
    assert len(find_sources([tree, tree / "a.wav", tree / "b"])) == 4  # each once


def test_what_macs_hide_in_a_folder_is_left_out(tree: Path) -> None:
    for hidden in ("._a.wav", "b/._d.opus", ".Trashes/e.wav"):
        (tree / hidden).parent.mkdir(exist_ok=True)
        (tree / hidden).write_bytes(b"")
    assert names(find_sources([tree])) == ["2024.05.01", "a", "b/c", "b/d"]
    assert names(find_sources([tree / "._a.wav"])) == ["._a"]  # named, so it is meant


def test_videos_of_phones_are_found_in_a_folder(tmp_path: Path) -> None:
    for suffix in ("m4v", "3gpp", "3g2", "awb"):
        (tmp_path / f"{suffix}.{suffix}").write_bytes(b"")
    assert names(find_sources([tmp_path])) == ["3g2", "3gpp", "awb", "m4v"]


@pytest.mark.parametrize("missing", ["nowhere.wav", "no*.wav"])
def test_what_is_not_there(tree: Path, missing: str) -> None:
    with pytest.raises(DataError, match="no such file or folder, and no pattern"):
        find_sources([tree / missing])


def test_a_link_to_nothing_is_a_recording_that_cannot_be_read(tree: Path) -> None:
    (tree / "link.wav").symlink_to("nowhere.wav")
    assert names(find_sources([tree / "link.wav"])) == ["link"]
    assert "link" in names(find_sources([tree / "*.wav"]))


def test_a_folder_without_audio(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no audio below it"):
        find_sources([tmp_path])


def test_two_recordings_of_one_name(tree: Path, tmp_path: Path) -> None:
    (tree / "a.mp3").write_bytes(b"")
    with pytest.raises(ConfigError, match="would both be written to a"):
        Outputs(tmp_path / "out", ["txt"], find_sources([tree]), {})


def test_a_recording_is_not_called_as_the_settings_are(tmp_path: Path) -> None:
    """It was done before it was begun: the settings' file was there."""
    sources = [Source(tmp_path / "Transcription.wav", Path("Transcription"))]
    with pytest.raises(ConfigError, match=r"would be written to transcription.json, where the se"):
        Outputs(tmp_path / "out", ["txt", "json"], sources, {})
    assert not Outputs(tmp_path / "out", ["txt"], sources, {}).is_done(sources[0])
    below = [Source(tmp_path / "a.wav", Path("below/transcription"))]
    assert not Outputs(tmp_path / "out", ["json"], below, {}).is_done(below[0])


def test_two_processes_on_one_folder_are_told_apart(tree: Path, tmp_path: Path) -> None:
    sources = find_sources([tree])
    with (
        opened_outputs(tmp_path / "out", ["txt"], sources, {}),
        pytest.raises(MothertongueError, match=r"out: in use by process \d+ .*give another --out"),
    ):
        opened_outputs(tmp_path / "out", ["srt"], sources, {}).__enter__()
    with opened_outputs(tmp_path / "out", ["srt"], sources, {}):
        pass
    assert [path.name for path in (tmp_path / "out").iterdir()] == [RECORD]


def test_what_is_there_is_done(tree: Path, tmp_path: Path) -> None:
    sources, out, settings = find_sources([tree]), tmp_path / "out", {"model": "m", "beam_size": 1}
    outputs = Outputs(out, ["txt", "srt"], sources, settings)
    outputs.write(sources[0], NOTHING)
    assert sorted(path.name for path in out.iterdir()) == [
        "2024.05.01.srt", "2024.05.01.txt", RECORD,
    ]  # fmt: skip
    again = Outputs(out, ["txt", "srt"], sources, settings)
    assert [again.is_done(each) for each in sources] == [True, False, False, False]
    assert not Outputs(out, ["vtt"], sources, settings).is_done(sources[0])
    with pytest.raises(ConfigError, match="beam_size: was 1, now 5"):
        Outputs(out, ["txt"], sources, settings | {"beam_size": 5})


def test_programs_find_their_files_by_the_end_of_the_name(tree: Path, tmp_path: Path) -> None:
    source = find_sources([tree / "a.wav"])[0]
    outputs = Outputs(tmp_path / "out", ["eaf", "textgrid", "audacity"], [source], {})
    outputs.write(source, NOTHING)
    assert outputs.is_done(source)
    written = {path.name for path in (tmp_path / "out").iterdir()} - {RECORD}
    assert written == {"a.eaf", "a.TextGrid", "a.labels.txt"}
    assert f"file://{tree}/a.wav" in (tmp_path / "out/a.eaf").read_text()
