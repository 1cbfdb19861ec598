"""Test the behaviour that all sources of annotation files share, with ELAN's and subtitles."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from eaf_files import aligned, eaf, media, reference, tier

from mothertongue.data.sources.audacity import AudacitySource
from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import ReadingOptions, detect
from mothertongue.data.sources.elan import ElanSource
from mothertongue.data.sources.subtitles import SubtitlesSource
from mothertongue.data.sources.table import TableSource
from mothertongue.data.sources.textgrid import TextGridSource
from mothertongue.errors import ConfigError, Fault

SLOTS = {"t0": 0, "t1": 1000, "t2": 2500, "t3": 2700, "t4": 5000}
SAID = (
    aligned("a1", "t1", "t2", "habari gani"),
    aligned("a2", "t3", "t4", "njema sana"),
    aligned("a3", "t0", "t1", " "),
)
CUE = "1\n00:00:01,000 --> 00:00:02,500\nhabari\n"


def corpus(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def read(folder: Path, **options: Any) -> tuple[list[Row], list[Rejection], tuple[str, ...]]:
    """Return the rows, the rejections and the remarks of a corpus."""
    source = detect(folder, ReadingOptions.model_validate(options))
    found = list(source.rows())
    rows = [row for row in found if isinstance(row, Row)]
    return rows, [row for row in found if isinstance(row, Rejection)], source.remarks


def test_a_row_points_into_the_recording(tmp_path: Path) -> None:
    text = eaf(SLOTS, tier("tx@A", *SAID, participant="Anna"))
    path = corpus(tmp_path, {"day 1/a.eaf": text, "day 1/a.wav": ""})
    rows, rejected, remarks = read(path)
    assert rows[0] == Row(
        f"{path}/day 1/a.eaf:a1",
        audio="day 1/a.wav",
        text="habari gani",
        id="day 1/a@1.0-2.5",
        speaker="Anna",
        start_s=1.0,
        duration_s=1.5,
    )
    assert (rows[1].start_s, rows[1].duration_s, len(rows), rejected) == (2.7, 2.3, 2, [])
    assert "segments without text, left out: 1" in remarks
    assert detect(path / "day 1/a.eaf").root == path / "day 1"
    assert [row.audio for row in read(path / "day 1/a.eaf")[0]] == ["a.wav", "a.wav"]


def test_neighbours_are_joined_where_asked(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"a.eaf": eaf(SLOTS, tier("tx", *SAID)), "a.wav": ""})
    (row,), _, _ = read(path, join=15.0)
    assert (row.start_s, row.duration_s, row.text) == (1.0, 4.0, "habari gani njema sana")
    assert (row.id, row.notes) == ("a@1.0-5.0", ("SEG-JOINED",))
    assert len(read(path, join=3.9)[0]) == len(read(path, join=15.0, max_gap=0.1)[0]) == 2
    with pytest.raises(ConfigError, match="--max-gap has no effect without --join"):
        read(path, max_gap=0.1)


def test_single_words_are_told_to_be_joined(tmp_path: Path) -> None:
    slots = {"t0": 0, "t1": 400, "t2": 900, "t3": 2900}
    words = (aligned("a1", "t0", "t1", "habari"), aligned("a2", "t1", "t2", "gani"))
    longer = aligned("a3", "t2", "t3", "njema sana")
    path = corpus(tmp_path, {"a.eaf": eaf(slots, tier("tx", *words, longer)), "a.wav": ""})
    assert sum("under a second" in each and "--join 15" in each for each in read(path)[2]) == 1
    assert not any("under a second" in each for each in read(path, join=15.0)[2])
    corpus(path, {"a.eaf": eaf(slots, tier("tx", words[0], longer))})
    assert not any("under a second" in each for each in read(path)[2])


def test_the_tier_is_that_of_most_files_and_another_on_demand(tmp_path: Path) -> None:
    gloss = tier("ft", reference("r", "a1", "how are you"), type_="translation", parent="tx")
    files = {"a.eaf": eaf(SLOTS, tier("tx", *SAID), gloss), "a.wav": "", "b.wav": ""}
    files["b.eaf"] = eaf(SLOTS, tier("notes", aligned("n", "t1", "t2", "cough"), type_="note"))
    path = corpus(tmp_path, files)
    rows, _, remarks = read(path)
    assert [row.text for row in rows] == ["habari gani", "njema sana"]
    assert remarks == (
        "tiers taken: 'utterance': 1 tier, 4 s, such as 'habari gani'",
        "tiers not taken: 'translation': 1 tier, 2 s, such as 'how are you'; "
        "--tier translation takes them",
        "tiers not taken: 'note': 1 tier, 2 s, such as 'cough'; --tier note takes them",
        "segments without text, left out: 1",
        "files with no text in the tiers that were taken: 1",
    )
    rows, _, remarks = read(path, tier=("note", "ft"))
    assert [(row.text, row.start_s) for row in rows] == [("how are you", 1.0), ("cough", 1.0)]
    assert remarks[:2] == (
        "tiers taken: 'note': 1 tier, 2 s, such as 'cough'",
        "tiers taken: 'ft'",
    )
    with pytest.raises(ConfigError, match="--tier tx2: no tier or type of this name; found"):
        read(path, tier=("tx2",))


def test_the_origin_of_the_media_is_added(tmp_path: Path) -> None:
    text = eaf(SLOTS, tier("tx", *SAID), media=media("a.wav", origin=2000))
    rows, _, _ = read(corpus(tmp_path, {"a.eaf": text, "a.wav": ""}))
    assert [row.start_s for row in rows] == [3.0, 4.7]


def test_bad_times_cost_their_row(tmp_path: Path) -> None:
    slots = {"n": -500, "t1": 2000, "t2": 1000, "t3": None}
    bad = (
        aligned("a1", "t1", "t2", "from back"),
        aligned("a2", "t2", "t3", "no end"),
        aligned("a3", "n", "t2", "before"),
        aligned("a4", "t1", "t1", "nothing long"),
    )
    path = corpus(tmp_path, {"a.eaf": eaf(slots, tier("tx", *bad)), "a.wav": ""})
    rows, rejected, _ = read(path, tier=("tx",))
    assert rows == []
    assert {each.where.rpartition(":")[2]: each.reason for each in rejected} == {
        "a1": "from 2 s to 1 s; expected a start before the end, from 0 on",
        "a2": "no start or no end, and no neighbour to set them between",
        "a3": "from -0.5 s to 1 s; expected a start before the end, from 0 on",
        "a4": "from 2 s to 2 s; expected a start before the end, from 0 on",
    }
    assert {each.code for each in rejected} == {"MAN-SEGMENT"}
    assert rejected[0].row["text"]


def test_a_corpus_without_any_time_says_so_of_each_row(tmp_path: Path) -> None:
    chat = "@Begin\n@Participants:\tCHI Child\n*CHI:\thabari .\n*CHI:\tnzuri .\n@End\n"
    rows, rejected, _ = read(corpus(tmp_path, {"a.cha": chat, "a.wav": ""}))
    assert rows == []
    assert [each.code for each in rejected] == ["MAN-SEGMENT"] * 2


def test_an_end_without_end_costs_its_row(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"a.txt": f"1\t{'9' * 400}\thabari\n", "a.wav": ""})
    assert [each.code for each in read(path)[1]] == ["MAN-SEGMENT"]


def test_a_missing_recording_costs_every_row_of_its_file(tmp_path: Path) -> None:
    named = media("file:///C:/field/b.wav")
    _, rejected, _ = read(corpus(tmp_path, {"a.eaf": eaf(SLOTS, tier("tx", *SAID), media=named)}))
    assert [(each.code, each.row["text"]) for each in rejected] == [
        ("AUD-MISSING", "habari gani"),
        ("AUD-MISSING", "njema sana"),
    ]
    assert "it names 'file:///C:/field/b.wav', and there is no sound called a" in rejected[0].reason


def test_a_recording_named_elsewhere_is_taken_here_and_told(tmp_path: Path) -> None:
    named = media("file:///C:/field/b.wav")
    files = {"a.eaf": eaf(SLOTS, tier("tx", *SAID), media=named), "b.wav": ""}
    rows, _, remarks = read(corpus(tmp_path, files))
    assert {row.audio for row in rows} == {"b.wav"}
    assert remarks[-1].endswith("where one of its name or theirs in the corpus was taken: 1")


def test_recordings_that_are_slow_to_cut_are_told(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"a.srt": CUE, "a.M4A": "", "b.srt": CUE, "b.mp3": ""})
    _, _, (remark,) = read(path)
    assert remark.startswith("recordings that are decoded from their start for each row")
    assert remark.endswith("(convert them to WAV or FLAC): 1")


def test_a_damaged_file_is_one_rejection_and_the_others_are_read(tmp_path: Path) -> None:
    good = eaf(SLOTS, tier("tx", *SAID))
    path = corpus(tmp_path, {"a.eaf": good, "a.wav": "", "b.eaf": good[:200], "._c.eaf": b"\0\5"})
    rows, (bad,), _ = read(path)
    assert len(rows) == 2
    assert (bad.where, bad.code) == (f"{path}/b.eaf", "MAN-FORMAT")


def test_two_files_of_one_recording_are_told_before_anything_else(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"a.en.srt": CUE, "a.sw.srt": CUE, "a.m4a": ""})
    with pytest.raises(
        Fault, match=r"MAN-CONFLICT: .*a.en.srt and .*a.sw.srt are both for .*a.m4a"
    ):
        read(path)


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"a.eaf": "", "a.TextGrid": "", "a.srt": "", "a.csv": "audio,text\n"}, ElanSource),
        ({"a.TextGrid": "", "a.srt": ""}, TextGridSource),
        ({"a.vtt": "", "a.txt": "1\t2\thabari\n"}, SubtitlesSource),
        ({"a.txt": "1\t2\thabari\n", "b.txt": "habari", "t.csv": "audio,text\n"}, AudacitySource),
        ({"b.txt": "habari", "t.csv": "audio,text\n"}, TableSource),
    ],
)
def test_one_of_several_formats_of_a_recording_is_taken(
    tmp_path: Path, files: dict[str, str], kind: type
) -> None:
    assert type(detect(corpus(tmp_path, files))) is kind


def test_an_encoding_is_for_text_files(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"a.srt": CUE.replace("a", "\xe9").encode("cp1252"), "a.wav": ""})
    assert [each.code for each in read(path)[1]] == ["MAN-ENCODING"]
    assert [row.text for row in read(path, encoding="cp1252")[0]] == ["h\xe9b\xe9ri"]
    with pytest.raises(ConfigError, match="--encoding klingon: no text encoding"):
        read(path, encoding="klingon")
    with pytest.raises(ConfigError, match="--tier has no effect on a corpus of kind subtitles"):
        read(path, tier=("tx",))
    with pytest.raises(ConfigError, match="--encoding has no effect on a corpus of kind elan"):
        read(corpus(tmp_path, {"a.eaf": eaf(SLOTS)}), encoding="cp1252")


def test_tiers_of_a_textgrid_that_are_named_together_are_speakers(tmp_path: Path) -> None:
    head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n0\n2\n<exists>\n2\n'
    one = '"IntervalTier" "{0}" 0 2 1 {1} 2 "{2}"\n'
    grid = head + one.format("Anna", 0, "habari gani") + one.format("Ben", 1, "njema")
    path = corpus(tmp_path, {"a.TextGrid": grid, "a.wav": ""})
    assert [(row.text, row.speaker) for row in read(path)[0]] == [("habari gani", None)]
    rows, _, _ = read(path, tier=("Anna", "Ben"))
    assert [(row.text, row.speaker) for row in rows] == [
        ("habari gani", "Anna"),
        ("njema", "Ben"),
    ]


def test_names_that_are_no_utf_8_are_told(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"a.eaf": eaf(SLOTS, tier("tx", *SAID)), "caf\udce9/a.wav": ""})
    assert {each.code for each in read(path)[1]} == {"AUD-MISSING"}
    corpus(tmp_path, {"caf\udce9/b.eaf": ""})
    with pytest.raises(Fault, match="PATH-NAME"):
        read(path)


def test_rows_may_be_read_again(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"a.eaf": eaf(SLOTS, tier("tx", *SAID)), "a.wav": ""})
    source = detect(path)
    assert list(source.rows()) == list(source.rows())
    assert len(source.remarks) == len(set(source.remarks))


def test_a_folder_whose_files_went_away_is_described(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"MAN-FORMAT: .*: no file that ends with .srt or .vtt"):
        list(SubtitlesSource(path=tmp_path).rows())


def test_recordings_without_annotations_are_told(tmp_path: Path) -> None:
    files = {"a.srt": CUE, "a.wav": "", "b.wav": "", "b.txt": "habari", ".old/a.srt": CUE}
    path = corpus(tmp_path, files | {".old/a.wav": ""})
    rows, _, remarks = read(path)
    assert len(rows) == 1
    assert remarks == (
        "recordings without annotations, left out: 1, such as b.wav; move those with a text beside "
        "them, such as b.wav, to a folder of their own to read them",
    )
    assert read(path / "a.srt")[2] == ()


def test_a_recording_that_is_named_without_its_suffix_is_not_elsewhere(tmp_path: Path) -> None:
    chat = "@Begin\n@Media:\ta, audio\n*CHI:\thabari . \x15100_1900\x15\n@End\n"
    rows, _, remarks = read(corpus(tmp_path, {"a.cha": chat, "a.mp3": ""}))
    assert [row.audio for row in rows] == ["a.mp3"]
    assert remarks == ()


def test_recordings_whose_names_differ_in_case_are_told_apart(tmp_path: Path) -> None:
    rows, _, remarks = read(corpus(tmp_path, {"a.srt": CUE, "a.wav": "", "A.wav": ""}))
    assert [row.audio for row in rows] == ["a.wav"]
    assert remarks == ("recordings without annotations, left out: 1, such as A.wav",)
    corpus(tmp_path, {"A.srt": CUE})
    assert sorted((row.id, row.audio) for row in read(tmp_path)[0]) == [
        ("A@1.0-2.5", "A.wav"),
        ("a@1.0-2.5", "a.wav"),
    ]


def test_segments_without_a_letter_have_no_text(tmp_path: Path) -> None:
    cues = "".join(
        f"{i}\n00:00:0{i},000 --> 00:00:0{i},900\n{text}\n\n"
        for i, text in enumerate(("habari", "\u266a\u266a", "...", "gani"), start=1)
    )
    rows, rejected, remarks = read(corpus(tmp_path, {"a.srt": cues, "a.wav": ""}), join=15.0)
    assert [row.text for row in rows] == ["habari", "gani"]
    assert (rejected, remarks) == ([], ("segments without text, left out: 2",))
