import json
from pathlib import Path

import pytest
from clips import tone, write_clip

from mothertongue.data.data_report import DataReport
from mothertongue.data.manifest import read_manifest
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.base import Rejection
from mothertongue.data.sources.detect import detect
from mothertongue.errors import DataError, Fault

COLUMNS = (
    *("client_id", "audio_id", "audio_file", "duration_ms", "prompt_id", "prompt"),
    *("transcription", "votes", "age", "gender", "accents", "variant", "language"),
    *("prompt_upvotes", "prompt_reports", "is_edited", "split", "char_per_sec", "quality_tags"),
)
# id, transcription, split
CLIPS = [
    ("1", 'Alisema "ndiyo', "train"),
    ("2", "[disfluency] ninapenda  [laugh] chai [noise]", "train"),
    ("3", "Sijui.", "dev"),
    ("4", "Labda kesho.", "test"),
    ("5", "Nani anajua [noise]?", "unassigned"),
    ("6", "", "unassigned"),
    ("7", "", "train"),
]


def row(number: str, text: str, split: str) -> str:
    known = {
        "client_id": f"s{number}",
        "audio_id": number,
        "audio_file": f"spontaneous-speech-sw-{number}.wav",
        "duration_ms": "500",
        "prompt": "Habari?",
        "transcription": text,
        "language": "Kiswahili",
        "split": split,
        "quality_tags": "short-audio|speech-rate",
    }
    return "\t".join(known.get(name, "") for name in COLUMNS)


def release(folder: Path, clips: list[tuple[str, str, str]] = CLIPS) -> Path:
    """Write an unpacked release of Swahili; every clip has its own sound."""
    table = ["\t".join(COLUMNS), *(row(*clip) for clip in clips)]
    folder.mkdir(exist_ok=True)
    (folder / "ss-corpus-sw.tsv").write_text("\n".join(table) + "\n", encoding="utf-8")
    (folder / "ss-reported-audios-sw.tsv").write_text("audio_id\treason\n3\tother\n")
    (folder / "ss-corpus-sw.qa-summary.json").write_text("{}")
    (folder / "README.md").write_text("# Kiswahili\n")
    for number, _, _ in clips:
        path = folder / "audios" / f"spontaneous-speech-sw-{number}.wav"
        write_clip(path, tone(0.5, hertz=200 + 40 * int(number)))
    return folder


def prepared(source: Path, out: Path) -> tuple[DataReport, list[dict[str, object]]]:
    options = PrepareOptions(language="yo", workers=1)  # the table's own language goes first
    report = prepare(detect(source), out, options, lambda text, language: 9)
    return report, [json.loads(line) for line in (out / "review.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", ["", "ss-corpus-sw.tsv"], ids=["folder", "table"])
def test_a_release_needs_no_flag(tmp_path: Path, name: str) -> None:
    report, review = prepared(release(tmp_path / "sps") / name, tmp_path / "out")
    assert report.source == "common_voice_spontaneous"
    assert (report.rejected, report.num_rows) == ({}, 4)
    assert report.aside == {"untranscribed": 2, "unassigned": 1}
    assert report.notes == {"TXT-UNTAGGED": 1}
    found = [(clip.split, clip.text, clip.speaker) for clip in read_manifest(tmp_path / "out")]
    assert found == [
        ("train", 'Alisema "ndiyo', "s1"),
        ("train", "ninapenda chai", "s2"),
        ("validation", "Sijui.", "s3"),
        ("test", "Labda kesho.", "s4"),
    ]
    assert {clip.language for clip in read_manifest(tmp_path / "out")} == {"sw"}
    assert [(clip["id"][-5:], clip["reason"]) for clip in review] == [
        ("5.wav", "unassigned"),
        ("6.wav", "untranscribed"),
        ("7.wav", "untranscribed"),
    ]
    assert review[0] == {
        "audio": str(tmp_path / "sps/audios/spontaneous-speech-sw-5.wav"),
        "text": "Nani anajua [noise]?",
        "id": "audios/spontaneous-speech-sw-5.wav",
        "language": "sw",
        "speaker": "s5",
        "duration_s": 0.5,
        "reason": "unassigned",
        "where": f"{tmp_path}/sps/ss-corpus-sw.tsv:6",
    }


def test_every_row_is_kept_rejected_or_set_aside(tmp_path: Path) -> None:
    clips = [*CLIPS, ("8", "[noise]", "train"), ("9", "Ndiyo.", "other"), ("10", "", "unassigned")]
    folder = release(tmp_path / "sps", clips)
    (folder / "audios/spontaneous-speech-sw-10.wav").unlink()
    with (folder / "ss-corpus-sw.tsv").open("a") as table:
        table.write("s11\t11\tcut off\n")
    report, _ = prepared(folder, tmp_path / "out")
    assert report.rejected == {"AUD-MISSING": 1, "MAN-RAGGED": 1, "MAN-SPLIT": 1, "TXT-EMPTY": 1}
    assert report.rows == len(clips) + 1 == report.kept + 4 + sum(report.aside.values())


def test_a_release_without_confirmed_clips_says_so_and_lists_them(tmp_path: Path) -> None:
    folder = release(tmp_path / "sps", CLIPS[4:])
    report, review = prepared(folder, tmp_path / "out")
    assert len(review) == 3
    with pytest.raises(
        DataError, match="no row to train on: 2 untranscribed, 1 unassigned; expected"
    ):
        report.require_ok()


def test_audio_outside_of_the_release_is_not_listed_for_review(tmp_path: Path) -> None:
    folder = release(tmp_path / "sps")
    write_clip(tmp_path / "secret.wav", tone())
    table = folder / "ss-corpus-sw.tsv"
    table.write_text(table.read_text().replace("spontaneous-speech-sw-6.wav", "../secret.wav"))
    report, review = prepared(folder, tmp_path / "out")
    assert report.rejected == {"PATH-OUTSIDE": 1}
    assert len(review) == 2


def test_two_languages_in_one_folder_are_refused(tmp_path: Path) -> None:
    folder = release(tmp_path / "sps")
    source = detect(folder)
    (folder / "ss-corpus-yo.tsv").write_text("\t".join(COLUMNS))
    with pytest.raises(Fault, match=r"2 tables ss-corpus-\*\.tsv; expected one"):
        list(source.rows())
    (folder / "ss-corpus-yo.tsv").write_text("")
    (folder / "ss-corpus-sw.tsv").unlink()
    with pytest.raises(Fault, match="no audio column"):
        list(source.rows())


def test_a_row_that_cannot_be_read_is_a_rejection(tmp_path: Path) -> None:
    folder = release(tmp_path / "sps", CLIPS[:1])
    table = folder / "ss-corpus-sw.tsv"
    table.write_text(table.read_text().replace("\t500\t", "\thalf a second\t"))
    (found,) = detect(folder).rows()
    assert isinstance(found, Rejection)
    assert (found.code, "'half a second'" in found.reason) == ("MAN-TYPE", True)
