from pathlib import Path

from mothertongue.data.annotations.segments import Annotations, Media, Segment
from mothertongue.data.sources.transcriber import read_trs

HEAD = (
    '<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE Trans SYSTEM "trans-14.dtd">'
    '<Trans audio_filename="news"><Speakers><Speaker id="s1" name="Anné"/></Speakers>'
)


def read(folder: Path, *turns: str) -> Annotations:
    path = folder / "a.trs"
    text = f"{HEAD}<Episode><Section>{''.join(turns)}</Section></Episode></Trans>"
    path.write_bytes(text.encode("latin-1"))
    return read_trs(path)


def test_turns_are_cut_at_their_syncs(tmp_path: Path) -> None:
    turn = (
        '<Turn speaker="s1" startTime="1.0" endTime="4.5">\n<Sync time="1.0"/>\nhabari '
        '<Event desc="b" type="noise"/> gani\n<Sync time="2.5"/>\nnjema\n</Turn>'
    )
    found = read(tmp_path, turn)
    segments = found.tiers[0].segments
    assert [(each.start_s, each.end_s, each.text.split(), each.speaker) for each in segments] == [
        (1.0, 2.5, ["habari", "gani"], "Anné"),
        (2.5, 4.5, ["njema"], "Anné"),
    ]
    assert found.media == (Media(("news",)),)


def test_several_speakers_are_none_and_an_unknown_one_belongs_to_its_file(tmp_path: Path) -> None:
    both = '<Turn speaker="s1 s2" startTime="0" endTime="1"><Who nb="1"/>a<Who nb="2"/>b</Turn>'
    other = '<Turn speaker="s9" startTime="1" endTime="2">c</Turn>'
    segments = read(tmp_path, both, other).tiers[0].segments
    assert [(each.text.split(), each.speaker) for each in segments] == [
        (["a", "b"], None),
        (["c"], "a s9"),
    ]


def test_a_local_speaker_is_no_other_of_the_same_name_in_another_file(tmp_path: Path) -> None:
    head = HEAD.replace('name="Anné"', 'name="speaker 1" scope="local"')
    turn = '<Turn speaker="s1" startTime="0" endTime="1">habari</Turn>'
    for stem in ("a", "b"):
        text = f"{head}<Episode><Section>{turn}</Section></Episode></Trans>"
        (tmp_path / f"{stem}.trs").write_bytes(text.encode("latin-1"))
    found = [read_trs(tmp_path / f"{stem}.trs").tiers[0].segments[0].speaker for stem in "ab"]
    assert found == ["a s1", "b s1"]


def test_times_that_are_none_are_left_open(tmp_path: Path) -> None:
    (found,) = read(tmp_path, '<Turn startTime="x" endTime="nan">habari</Turn>').tiers[0].segments
    assert found == Segment("None s", None, None, "habari")
