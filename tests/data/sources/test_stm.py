from collections.abc import Mapping
from pathlib import Path

import pytest

from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import detect
from mothertongue.data.sources.stm import StmSource, read_stm
from mothertongue.errors import Fault

TED = """;; CATEGORY "0" "" ""
;; LABEL "o" "Overall" "Overall"
talk_1 1 Anna 0.5 2.25 <o,f0,female> habari  za asubuhi
talk_1 1 inter_segment_gap 2.25 3 <o,,unknown> ignore_time_segment_in_scoring

talk_1 1 excluded_region 3 4 <NA> IGNORE_TIME_SEGMENT_IN_SCORING
talk_1\t1\tS1\t4\t5.5\t(%hesitation) { ndiyo / ndio } sana
talk_1 1 S2 6 soon nane
"""


def corpus(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def read(path: Path) -> tuple[list[Row], list[Rejection], tuple[str, ...]]:
    source = detect(path)
    assert isinstance(source, StmSource)
    found = list(source.rows())
    rows = [each for each in found if isinstance(each, Row)]
    return rows, [each for each in found if isinstance(each, Rejection)], source.remarks


@pytest.mark.parametrize("name", ["S12", "spk-1", "speaker_3", "Locuteur1", "unknown", "7"])
def test_a_numbered_speaker_is_another_one_in_each_recording(tmp_path: Path, name: str) -> None:
    path = corpus(tmp_path, {"a.stm": f"a 1 {name} 0 1 habari\nb 1 {name} 0 1 asante\n"})
    parts = read_stm(path / "a.stm")
    found = {each.tiers[0].segments[0].speaker for each in (parts, *parts.others)}
    assert found == {f"a {name}", f"b {name}"}


def test_lines_are_read_with_and_without_labels(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"stm/talk_1.stm": TED, "sph/talk_1.wav": ""})
    (first, second), (bad,), remarks = read(path)
    assert first == Row(
        f"{path}/stm/talk_1.stm:3",
        audio="sph/talk_1.wav",
        text="habari  za asubuhi",
        id="stm/talk_1@0.5-2.25",
        speaker="Anna",
        start_s=0.5,
        duration_s=1.75,
    )
    assert (second.text, second.speaker) == ("(%hesitation) { ndiyo / ndio } sana", "talk_1 S1")
    assert (bad.code, bad.where) == ("MAN-SEGMENT", f"{path}/stm/talk_1.stm:8")
    assert remarks == (
        "stretches that nobody transcribed (ignore_time_segment_in_scoring), left out: 2",
    )


def test_folders_of_splits_give_the_splits(tmp_path: Path) -> None:
    files = {f"{name}/stm/{name}1.stm": f"{name}1 1 a1 0 1 moja" for name in ("train", "dev")}
    corpus(tmp_path, files | {"train/sph/train1.wav": "", "dev/sph/dev1.wav": ""})
    assert [(row.audio, row.split) for row in read(tmp_path)[0]] == [
        ("dev/sph/dev1.wav", "dev"),
        ("train/sph/train1.wav", "train"),
    ]
    assert [row.split for row in read(tmp_path / "train")[0]] == [None]
    corpus(tmp_path, {"more/x.stm": "x 1 a1 0 1 mbili", "more/x.wav": ""})
    assert [row.split for row in read(tmp_path)[0]] == [None] * 3


def test_a_file_of_several_recordings(tmp_path: Path) -> None:
    train = "b A Anna 0 1 moja\na A Ben 0 1 mbili\nb A Anna 2 3 tatu\nc A Ben 0 1 nne\n"
    test = "../old/day/a A Ben 0 1 tano\n"
    files = {"stm/train.stm": train, "stm/test.stm": test, "old/day/a.wav": ""}
    path = corpus(tmp_path, files | {"wav/a.wav": "", "wav/b.wav": "", "wav/d.wav": ""})
    rows, (missing,), remarks = read(path)
    assert [(row.id, row.audio, row.text, row.split) for row in rows] == [
        ("stm/test@0.0-1.0", "old/day/a.wav", "tano", "test"),
        ("stm/b@0.0-1.0", "wav/b.wav", "moja", "train"),
        ("stm/b@2.0-3.0", "wav/b.wav", "tatu", "train"),
        ("stm/a@0.0-1.0", "wav/a.wav", "mbili", "train"),
    ]
    assert (missing.code, missing.row["text"]) == ("AUD-MISSING", "nne")
    assert remarks[-1] == "recordings without annotations, left out: 1, such as wav/d.wav"


@pytest.mark.parametrize(
    ("text", "seen"),
    [("x A a 0 1 moja\nx B b 0 1 mbili\n", "channel A and B"), ("x 2 a 0 1 moja\n", "channel 2")],
)
def test_channels_with_texts_of_their_own_are_refused(tmp_path: Path, text: str, seen: str) -> None:
    _, (bad,), _ = read(corpus(tmp_path, {"x.stm": text, "x.wav": ""}))
    assert bad.code == "MAN-CHANNEL"
    assert f"x has texts for {seen}; expected one channel" in bad.reason


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"x.stm": "x 1 a 0 1 moja\nhabari za asubuhi\n"}) / "x.stm"
    with pytest.raises(Fault, match=r"MAN-FORMAT: .*x.stm:2: 'habari za asubuhi'; expected RECORD"):
        read_stm(path)
