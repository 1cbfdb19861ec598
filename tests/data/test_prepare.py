"""Preparing a corpus: its files and report, and what is wrong with rows."""

import io
import os
import socket
import subprocess
import sys
from pathlib import Path

import bad_sounds
import numpy as np
import pytest
from bad_decoders import write_bad
from clips import tone, write_clip
from prepared import corpus, count_characters, options, record, run, strangers_manifest
from rich.console import Console

from mothertongue.data import sound_facts as sound
from mothertongue.data.card import read_card
from mothertongue.data.data_report import NOTES, SplitFacts, report_table
from mothertongue.data.manifest import SPLITS, read_data, read_manifest
from mothertongue.data.prepare import check, prepare
from mothertongue.data.sources.detect import detect
from mothertongue.errors import DataError, MothertongueError
from mothertongue.evaluation.normalizers import normalizer
from mothertongue.system.json_files import to_json


def test_the_card_says_what_the_report_says_of_this_manifest_alone(tmp_path: Path) -> None:
    report, _, _ = run(tmp_path, [record(i) for i in range(12)])
    card = read_card(tmp_path / "out")
    assert card is not None
    digest = {"format_version": 1, "manifest_sha256": card.manifest_sha256}
    assert to_json(report) | digest == to_json(card)
    with (tmp_path / "out/manifest.jsonl").open("a") as file:
        file.write("\n")
    assert read_card(tmp_path / "out") is None
    (tmp_path / "out/data_card.json").unlink()
    assert read_card(tmp_path / "out") is None


def test_both_files_and_the_report_say_the_same(tmp_path: Path) -> None:
    given = [
        record(1, split="train", speaker="a"),
        record(2, split="train", speaker="a", text=""),
        record(3, split="test", speaker="b", text="cafe\u0301"),
    ]
    report, clips, rejected = run(tmp_path, given, max_reject_fraction=0.5)
    assert list(clips) == ["1", "3"]
    assert clips["3"].text == "caf\u00e9"
    assert clips["3"].audio == str(tmp_path / "corpus" / "3.wav")
    assert rejected == [
        {
            "where": f"{tmp_path}/corpus/table.jsonl:2",
            "code": "TXT-EMPTY",
            "reason": "the text is empty",
            "fix": "transcribe the clip, or leave the row out",
            "row": {"audio": "2.wav", "speaker": "a", "split": "train"},
        }
    ]
    assert report.ok
    assert report.splits["test"] == SplitFacts(1, 0.5 / 3600, 1, 4)
    assert (report.num_rows, report.split_by) == (3, "given")
    assert (report.rejected, report.notes) == ({"TXT-EMPTY": 1}, {"TXT-DIGIT": 1, "TXT-NFC": 1})
    assert report.warnings == ("validation has no clips",)


def test_too_many_rejections_are_not_ok_and_the_files_are_there(tmp_path: Path) -> None:
    given = [record(number) for number in range(18)] + [record(18, text=""), record(19, text="!")]
    report, clips, rejected = run(tmp_path, given)
    assert (len(clips), len(rejected)) == (18, 2)
    with pytest.raises(DataError, match=r"2 of 20 rows rejected \(TXT-EMPTY 2\)") as caught:
        report.require_ok()
    assert caught.value.exit_code == 65
    run(tmp_path, given, max_reject_fraction=0.1)[0].require_ok()


def test_nothing_left_is_never_ok(tmp_path: Path) -> None:
    report, _, _ = run(tmp_path, [record(1, text="")], max_reject_fraction=1.0)
    assert not report.ok
    assert report.warnings == tuple(f"{split} has no clips" for split in SPLITS)


def test_a_corpus_without_rows_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("audio,text\n")
    with pytest.raises(DataError, match="no rows"):
        prepare(detect(tmp_path / "t.csv"), tmp_path / "out", options(), count_characters)
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


def test_prepared_is_checked_clean_and_prepares_to_itself(tmp_path: Path) -> None:
    given = [
        record(number, speaker=f"s{number % 10}", text=f"\ufeff{number}  x") for number in range(40)
    ]
    report, _, _ = run(tmp_path, given)
    out = tmp_path / "out"
    again = check(out, options(), count_characters)
    assert again.ok
    assert again.notes == {"TXT-DIGIT": 40}
    assert again.splits == report.splits
    before = (out / "manifest.jsonl").read_bytes()
    prepare(detect(out), out, options(), count_characters)
    assert (out / "manifest.jsonl").read_bytes() == before


def test_a_manifest_is_not_replaced_by_one_without_some_of_its_rows(tmp_path: Path) -> None:
    run(tmp_path, [record(number) for number in range(40)])
    out = tmp_path / "out"
    (tmp_path / "corpus" / "3.wav").unlink()
    before = (out / "manifest.jsonl").read_bytes()
    for path in (out, out / "manifest.jsonl"):
        with pytest.raises(DataError, match=r"1 of its 40 rows .*AUD-MISSING 1.*another --out"):
            prepare(detect(path), out, options(), count_characters)
    assert (out / "manifest.jsonl").read_bytes() == before
    prepare(detect(out), tmp_path / "other", options(), count_characters)
    assert len(list(read_manifest(tmp_path / "other"))) == 39


def test_check_finds_what_broke_since(tmp_path: Path) -> None:
    run(tmp_path, [record(number) for number in range(10)])
    (tmp_path / "corpus" / "3.wav").unlink()
    (tmp_path / "corpus" / "4.wav").write_bytes(b"")
    write_clip(tmp_path / "corpus" / "5.wav", tone(0.2))
    with (tmp_path / "out" / "manifest.jsonl").open("a") as file:
        file.write("not json\n")
    report = check(tmp_path / "out", options(allow_outside=True), count_characters)
    codes = {"AUD-MISSING": 1, "AUD-EMPTY": 1, "AUD-TRUNCATED": 1, "MAN-JSON": 1}
    assert report.rejected == codes
    assert not report.ok


def test_a_strangers_manifest_opens_nothing_outside_its_folder(tmp_path: Path) -> None:
    write_clip(tmp_path / "mine.wav", tone(0.5))
    write_clip(tmp_path / "theirs/in.wav", tone(0.5, hertz=300))
    (tmp_path / "theirs/link.wav").symlink_to(tmp_path / "mine.wav")
    (tmp_path / "theirs").rename(tmp_path / "x")
    folder = strangers_manifest(
        tmp_path / "theirs", "in.wav", str(tmp_path / "mine.wav"), "../mine.wav", "link.wav"
    )
    for name in ("in.wav", "link.wav"):
        (tmp_path / "x" / name).rename(folder / name)
    for report in (
        check(folder, options(), count_characters),
        prepare(detect(folder), tmp_path / "out", options(), count_characters),
    ):
        assert (report.num_rows, report.rejected) == (4, {"PATH-OUTSIDE": 3})
    assert [clip.id for clip in read_data([tmp_path / "out"])] == ["0"]


def test_what_allow_outside_lets_in_is_said_and_then_ours(tmp_path: Path) -> None:
    write_clip(tmp_path / "mine.wav", tone(0.5))
    folder = strangers_manifest(tmp_path / "theirs", "../mine.wav")
    allowed = options(allow_outside=True)
    prepare(detect(folder), tmp_path / "out", allowed, count_characters)
    card = read_card(tmp_path / "out")
    assert card is not None
    assert "--allow-outside was given: audio outside" in " ".join(card.warnings)
    assert [clip.audio for clip in read_data([tmp_path / "out"])] == [str(tmp_path / "mine.wav")]
    assert check(tmp_path / "out", options(), count_characters).rejected == {}


def test_a_folder_whose_name_is_not_utf8_is_refused(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9")
    table = corpus(tmp_path / "corpus", [record(1)]).rename(tmp_path / "corpus/t.jsonl")
    (tmp_path / "corpus").rename(tmp_path / odd)
    (tmp_path / "link").symlink_to(tmp_path / odd)
    for path in (tmp_path / odd / table.name, tmp_path / "link"):
        with pytest.raises(DataError, match=r"PATH-NAME: .*caf\\udce9.*not UTF-8.*; rename it"):
            prepare(detect(path), tmp_path / "out", options(), count_characters)


def test_two_do_not_prepare_into_one_folder(tmp_path: Path) -> None:
    table = corpus(tmp_path / "corpus", [record(1)])
    out = tmp_path / "out"

    def again(rows: int) -> None:
        with pytest.raises(MothertongueError) as caught:
            prepare(detect(table), out, options(), count_characters)
        assert str(caught.value) == (
            f"{out}: in use by process {os.getpid()} on {socket.gethostname()}; wait for it, stop "
            "it, or give --out another folder"
        )

    report = prepare(detect(table), out, options(), count_characters, again)
    assert report.num_rows == 1
    assert not (out / ".mothertongue-lock").exists()


def test_a_kill_leaves_nothing_that_the_next_one_does_not_remove(tmp_path: Path) -> None:
    table = corpus(tmp_path / "corpus", [record(1)])
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    temporary.mkdir()
    killed = f"""
import os
from pathlib import Path
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.detect import detect
os.fsync = lambda descriptor: os.kill(os.getpid(), 9)
prepare(detect(Path({str(table)!r})), Path({str(out)!r}), PrepareOptions(language="sw"), len)
"""
    environment = os.environ | {"TMPDIR": str(temporary)}
    died = subprocess.run([sys.executable, "-c", killed], env=environment, check=False)
    assert died.returncode == -9
    assert {path.name[:5] for path in out.iterdir()} == {".tmp-", ".moth"}
    assert not list(temporary.iterdir())
    prepare(detect(table), out, options(), count_characters)
    names = {path.name for path in out.iterdir()}
    assert names == {"manifest.jsonl", "rejected.jsonl", "review.jsonl", "data_card.json"}


def test_audio_below_the_manifest_is_named_relative_to_it(tmp_path: Path) -> None:
    table = corpus(tmp_path / "corpus", [record(1, audio="wavs/a.wav")])
    prepare(detect(table), table.parent, options(), count_characters)
    (clip,) = read_manifest(table.parent)
    assert clip.audio == "wavs/a.wav"
    table.parent.rename(tmp_path / "moved")
    assert check(tmp_path / "moved", options(), count_characters).ok


def test_ids_are_stems_and_longer_where_two_are_the_same(tmp_path: Path) -> None:
    given = [
        record(1, audio="x/a.wav"),
        record(2, audio="y/a.wav"),
        record(3, audio="y/b.wav"),
        record(4, id="mine"),
        record(5, id="mine"),
    ]
    _, clips, rejected = run(tmp_path, given)
    assert set(clips) == {"x/a.wav", "y/a.wav", "b", "mine"}
    assert [(row["code"], row["reason"]) for row in rejected] == [
        ("MAN-DUP", f"id mine is already at {tmp_path}/corpus/table.jsonl:4")
    ]


def test_the_same_sound_twice_is_kept_once(tmp_path: Path) -> None:
    write_clip(tmp_path / "corpus" / "2.wav", tone(0.5, hertz=200))
    given = [record(1), record(2, text="Sentensi 1, tu!"), record(3)]
    _, clips, rejected = run(tmp_path, given)
    assert set(clips) == {"1", "3"}
    assert [(row["code"], row["reason"]) for row in rejected] == [
        ("MAN-DUP", f"the same sound is already at {tmp_path}/corpus/table.jsonl:1")
    ]


def test_the_same_sound_with_two_texts_is_not_kept(tmp_path: Path) -> None:
    given = [record(1), record(2, audio="1.wav"), record(3)]
    _, clips, rejected = run(tmp_path, given)
    assert set(clips) == {"3"}
    table = f"{tmp_path}/corpus/table.jsonl"
    assert [(row["code"], row["reason"]) for row in rejected] == [
        ("MAN-CONFLICT", f"one sound with several texts, also at {table}:{line}") for line in (2, 1)
    ]


def test_notes_count_kept_rows_only(tmp_path: Path) -> None:
    given = [
        record(1, text="haba\u200bri", split="train"),
        record(1, text="haba\u200bri", split="train"),
    ]
    assert run(tmp_path, given)[0].notes == {"TXT-CONTROL": 1}


def test_khmer_words_stay_apart_in_the_manifest(tmp_path: Path) -> None:
    text = "ខ្ញុំ\u200bទៅ\u200bផ្សារ"
    report, clips, _ = run(tmp_path, [record(1, text=text, language="km", split="train")])
    assert clips["1"].text == text
    assert normalizer("strict")(clips["1"].text).split() == ["ខ្ញុំ", "ទៅ", "ផ្សារ"]
    assert report.notes == {}


def test_a_wrong_language_option_is_refused_before_any_row(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'klingon': names no language"):
        run(tmp_path, [record(1)], language="klingon")


def test_progress_counts_every_row_and_rows_keep_their_order(tmp_path: Path) -> None:
    table = corpus(tmp_path / "corpus", [record(number, split="train") for number in range(50)])
    seen: list[int] = []
    prepare(detect(table), tmp_path / "out", options(), count_characters, seen.append)
    assert seen == [1] * 50
    assert [clip.id for clip in read_manifest(tmp_path / "out")] == [str(n) for n in range(50)]


def test_the_table_shows_text_and_obeys_none(tmp_path: Path) -> None:
    given = [record(1, split="\x1b[31m[bold]", speaker="s"), record(2, split="train")]
    report, _, _ = run(tmp_path, given)
    console = Console(file=io.StringIO(), width=200)
    console.print(report_table(report))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Rejected: 1 of 2 rows" in shown
    assert "MAN-SPLIT" in shown
    assert "[bold]" in shown
    assert "\x1b" not in shown


def test_every_note_has_its_words() -> None:
    source = Path(__file__).parents[2] / "src" / "mothertongue"
    code = "".join(path.read_text() for path in source.rglob("*.py"))
    assert all(f'"{note}"' in code for note in NOTES if not note.startswith("LEAK-"))


# VmHWM, because ru_maxrss outlives exec: a child has at least the peak of pytest itself.
PEAK = """
import sys
from pathlib import Path
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.detect import detect
from mothertongue.evaluation.normalizers import normalizer
folder = Path(sys.argv[1])
options = PrepareOptions(language="sw", trust_durations=True, workers=1)
report = prepare(detect(folder / "t.csv"), folder / "out", options, lambda text, language: 9)
assert report.num_rejected == 0 and report.split_by == "speaker and sentence", report
status = Path("/proc/self/status").read_text()
print(report.num_rows, int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


def peak_mib(folder: Path, num_rows: int) -> int:
    """Peak memory of preparing a table, which is written here a line at a time."""
    write_clip(folder / "a.wav", np.tile(tone(1.0), 2))
    with (folder / "t.csv").open("w") as table:
        table.write("audio,text,speaker,start,duration\n")
        for number in range(num_rows):
            table.write(f"a.wav,sentensi namba {number},s{number // 50},{number},1.0\n")
    command = [sys.executable, "-c", PEAK, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows, peak = done.stdout.split()
    assert int(rows) == num_rows
    return int(peak)


@pytest.mark.slow
def test_ten_times_the_rows_take_the_same_memory(tmp_path: Path) -> None:
    small, large = peak_mib(tmp_path, 6_000), peak_mib(tmp_path, 60_000)
    # 16 MiB is SQLite's cache, which the small table does not fill.
    assert large - small < 20, (small, large)


@pytest.mark.usefixtures("bad_task")
def test_a_clip_that_kills_its_decoder_is_one_rejection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sound, "TASK", bad_sounds.__name__)
    corpus(tmp_path / "corpus", [])
    write_bad(tmp_path / "corpus/3.wav", "crash")
    report, clips, rejected = run(tmp_path, [record(i) for i in range(40)], max_reject_fraction=0.5)
    assert report.rejected == {"AUD-CORRUPT": 1}
    assert rejected[0]["where"].endswith(":4")
    assert "3.wav: its decoder crashed (SIGSEGV)" in rejected[0]["reason"]
    assert len(clips) == 39
