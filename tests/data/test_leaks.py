"""Held-out clips that share audio, a sentence or a speaker with the clips that train."""

import shutil
from pathlib import Path

import pytest
from clips import tone, write_clip

from mothertongue.data.clip_facts import facts_of
from mothertongue.data.leaks import LeakCounts, check_splits, find_leaks
from mothertongue.data.manifest import Split, Utterance
from mothertongue.errors import DataError


def clip(
    path: Path,
    split: Split = "train",
    text: str = "moja",
    start_s: float = 0.0,
    duration_s: float = 1.0,
    speaker: str | None = None,
) -> Utterance:
    name = f"{split}-{path.stem}@{start_s:g}"
    return Utterance(name, str(path), text, "sw", duration_s, start_s, split, speaker)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "a.wav", tone(1.0))


def test_a_copy_under_another_name_is_the_same_audio(sound: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copyfile(sound, tmp_path / "b.wav"))
    other = write_clip(tmp_path / "c.wav", tone(1.0, hertz=300.0))  # as many bytes
    held_out = facts_of([clip(copy, "test", "mbili"), clip(other, "test", "tatu")])
    found = find_leaks(facts_of([clip(sound)]), held_out)
    assert found.audio == ("test-b@0",)
    assert found.counts() == LeakCounts(clips=2, audio=1, sentences=0, speakers=0)


def test_parts_of_one_long_file_are_the_same_audio_only_where_they_overlap(sound: Path) -> None:
    trained = facts_of([clip(sound, start_s=0.0), clip(sound, start_s=1.0)])
    times = ((2.0, 1.0), (1.9, 1.0), (1.2, 1.0), (0.0, 2.0))
    held_out = [clip(sound, "test", start_s=s, duration_s=d) for s, d in times]
    held_out[3] = clip(sound, "validation", start_s=0.0, duration_s=1.9)
    assert find_leaks(trained, facts_of(held_out)).audio == ("test-a@1.2", "validation-a@0")


def test_only_files_of_equal_size_are_read(sound: Path, tmp_path: Path) -> None:
    longer = write_clip(tmp_path / "b.wav", tone(1.5))
    trained, held_out = facts_of([clip(sound)]), facts_of([clip(longer, "test")])
    longer.unlink()
    sound.unlink()
    assert find_leaks(trained, held_out).audio == ()


def test_sentences_are_the_same_by_their_letters_and_speakers_by_name(
    sound: Path, tmp_path: Path
) -> None:
    other = write_clip(tmp_path / "b.wav", tone(1.5))
    trained = facts_of([clip(sound, text="Habari, gani?", speaker="s1"), clip(sound, text="...")])
    held_out = [
        clip(other, "test", "habari gani"),
        clip(other, "test", "mbili", start_s=2, speaker="s1"),
        clip(other, "test", "?!", start_s=3),
    ]
    found = find_leaks(trained, facts_of(held_out))
    assert (found.sentences, found.speakers) == (("test-b@0",), ("test-b@2",))


def test_every_pair_of_splits_with_common_audio_is_named(sound: Path) -> None:
    splits: tuple[Split, ...] = ("train", "validation", "test")
    facts = facts_of([clip(sound, split) for split in splits])
    with pytest.raises(DataError, match="A, B: clips of one split are also in another") as raised:
        check_splits(facts, "A, B", print)
    lines = str(raised.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:4]] == ["validation", "test", "test"]
    assert lines[3] == "  test: 1 of 1 clips have the audio of a clip of validation: test-a@0"


def test_common_sentences_and_speakers_are_told(sound: Path, tmp_path: Path) -> None:
    other = write_clip(tmp_path / "b.wav", tone(1.5))
    notes: list[str] = []
    clips = [clip(sound, speaker="s"), clip(other, "test", "moja!", speaker="s")]
    check_splits(facts_of(clips), "A", notes.append)
    assert notes == [
        "A, test: of 1 clips 1 share a sentence and 1 share a speaker with the training clips"
    ]


def test_audio_that_is_not_there_is_said_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 of 1 audio files are not there, such as .*x\.wav"):
        facts_of([clip(tmp_path / "x.wav")])
