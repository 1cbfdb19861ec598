"""Test the submissions of VoxForge."""

from pathlib import Path

import pytest

from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import detect
from mothertongue.data.sources.paired import PairedSource
from mothertongue.data.sources.voxforge import VoxForgeSource
from mothertongue.errors import Fault


def submission(folder: Path, *sounds: str, **prompts: str | bytes) -> Path:
    """Write the sounds of a submission, and its prompts by the names of their files."""
    for name in sounds:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "etc").mkdir(parents=True)
    (folder / "etc/README").write_text("User Name: anna\n")
    for name, text in prompts.items():
        content = text if isinstance(text, bytes) else text.encode()
        (folder / "etc" / name.replace("_", "-")).write_bytes(content)
    return folder


def told(path: Path) -> list[tuple[str | None, ...]]:
    source = detect(path)
    assert isinstance(source, VoxForgeSource)
    rows = [row for row in source.rows() if isinstance(row, Row)]
    return [(row.audio, row.text, row.speaker) for row in rows]


def test_prompts_are_taken_as_they_were_written(tmp_path: Path) -> None:
    submission(
        tmp_path / "anna-20080425-abc",
        "wav/a0001.wav",
        "wav/a0002.wav",
        prompts_original="a0001 Habari, ndugu?\na0002\tAsante sana.\n",
        PROMPTS="anna-20080425-abc/mfc/a0001 HABARI NDUGU\n",
    )
    submission(tmp_path / "anna-b-20090101-de1", "flac/x.flac", PROMPTS="*/x NDIYO \n")
    submission(tmp_path / "anonymous-20090101-xyz", "wav/a0001.wav", PROMPTS="y/mfc/a0001 HAPANA\n")
    (tmp_path / "corpus.csv").write_text("speaker,age\nanna,30\n")
    assert told(tmp_path) == [
        ("anna-20080425-abc/wav/a0001.wav", "Habari, ndugu?", "anna"),
        ("anna-20080425-abc/wav/a0002.wav", "Asante sana.", "anna"),
        ("anna-b-20090101-de1/flac/x.flac", "NDIYO", "anna-b"),
        ("anonymous-20090101-xyz/wav/a0001.wav", "HAPANA", "anonymous-20090101-xyz"),
    ]
    assert told(tmp_path / "anna-b-20090101-de1") == [("flac/x.flac", "NDIYO", "anna-b")]


def test_a_submission_of_another_encoding_costs_its_clips(tmp_path: Path) -> None:
    submission(tmp_path / "a-20080425-a", "wav/1.wav", "wav/2.wav", PROMPTS=b"a/1 CAF\xe9\n")
    submission(tmp_path / "b-20080425-b", "wav/1.wav", "wav/2.wav", PROMPTS="b/1 SAWA\nb/3 EH\n")
    first, second, good, lost, unread = detect(tmp_path).rows()
    for row, name in ((first, "1"), (second, "2")):
        assert isinstance(row, Rejection)
        assert (row.code, row.row["audio"]) == ("MAN-ENCODING", f"a-20080425-a/wav/{name}.wav")
    assert isinstance(good, Row) and isinstance(lost, Row) and isinstance(unread, Row)
    assert good.text == "SAWA"
    assert lost.audio == "b-20080425-b/wav/3.wav"
    assert (unread.audio, unread.aside) == ("b-20080425-b/wav/2.wav", "untranscribed")


def test_other_folders_are_no_submissions(tmp_path: Path) -> None:
    submission(tmp_path / "a", PROMPTS="a/1 HABARI\n")
    assert not VoxForgeSource.recognizes(tmp_path)
    with pytest.raises(Fault, match="no submission"):
        list(VoxForgeSource(path=tmp_path).rows())
    submission(tmp_path / "b", "wav/1.wav", "wav/1.txt")
    assert isinstance(detect(tmp_path), PairedSource)
