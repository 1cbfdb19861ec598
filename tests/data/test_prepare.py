import io
import json
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
from rich.console import Console

from mothertongue.data import sound_facts as sound
from mothertongue.data.data_report import NOTES, DataReport, report_table
from mothertongue.data.manifest import Utterance, read_card, read_data, read_manifest, write_card
from mothertongue.data.prepare import PrepareOptions, check, prepare
from mothertongue.data.sources.detect import detect
from mothertongue.errors import DataError, MothertongueError
from mothertongue.evaluation.normalizers import normalizer

Record = dict[str, object]


def count_characters(text: str, language: str) -> int:
    return len(text) + 5


def options(**values: object) -> PrepareOptions:
    return PrepareOptions.model_validate({"language": "sw", "workers": 2} | values)


def corpus(folder: Path, records: list[Record]) -> Path:
    """A JSONL table, and a tone of its own for every clip that it names and that is not there."""
    folder.mkdir(exist_ok=True)
    for number, record in enumerate(records):
        path = folder / str(record["audio"])
        if not path.exists():
            write_clip(path, tone(0.5, hertz=200 + number))
    table = folder / "table.jsonl"
    table.write_text("\n".join(json.dumps(record) for record in records))
    return table


def record(number: int, **values: object) -> Record:
    return {"audio": f"{number}.wav", "text": f"sentensi {number} tu"} | values


def run(
    tmp_path: Path, records: list[Record], **values: object
) -> tuple[DataReport, dict[str, Utterance], list[dict[str, object]]]:
    """The report, the utterances by id, and the rejections."""
    table = corpus(tmp_path / "corpus", records)
    out = tmp_path / "out"
    report = prepare(detect(table), out, options(**values), count_characters)
    lines = (out / "rejected.jsonl").read_text().splitlines()
    clips = {clip.id: clip for clip in read_manifest(out)}
    return report, clips, [json.loads(line) for line in lines]


def test_the_card_says_what_the_report_says_of_this_manifest_alone(tmp_path: Path) -> None:
    report, _, _ = run(tmp_path, [record(i) for i in range(12)])
    card = read_card(tmp_path / "out")
    assert card is not None
    assert card.pop("format_version") == 1 and card.pop("manifest_sha256")
    assert card == json.loads(json.dumps(report.to_dict()))
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
    assert report.to_dict() == json.loads(json.dumps(report.to_dict()))
    facts = report.to_dict()["splits"]
    assert facts["test"] == {"clips": 1, "hours": 0.5 / 3600, "speakers": 1, "characters": 4}
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


def strangers_manifest(folder: Path, *audio: str) -> Path:
    """A folder that looks like one of ours: the manifest, and a card with its digest."""
    folder.mkdir()
    facts = {"language": "sw", "duration_s": 0.5, "split": "train"}
    lines = [
        json.dumps({"id": str(n), "audio": name, "text": f"neno {n}"} | facts)
        for n, name in enumerate(audio)
    ]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    write_card(folder, {"notes": {}, "warnings": []})
    return folder


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
    assert "--allow-outside was given: audio outside" in " ".join(card["warnings"])
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


def test_the_same_sound_in_two_splits_stays_in_the_one_held_out(tmp_path: Path) -> None:
    given = [record(1, split="train"), record(1, split="test", id="t"), record(3, split="train")]
    _, clips, rejected = run(tmp_path, given)
    assert set(clips) == {"t", "3"}
    assert [row["code"] for row in rejected] == ["LEAK-AUDIO"]


def test_a_sentence_in_two_splits_stays_in_the_one_held_out(tmp_path: Path) -> None:
    text = {"text": "Habari gani?"}
    given = [
        record(1, split="train", **text),
        record(2, split="dev", **text),
        record(3, split="test", text="habari GANI"),
        record(4, split="train"),
        record(5, split="dev"),
    ]
    report, clips, rejected = run(tmp_path, given)
    assert set(clips) == {"3", "4", "5"}
    place = f"{tmp_path}/corpus/table.jsonl:3"
    assert [(row["code"], row["reason"]) for row in rejected] == [
        ("LEAK-TEXT", f"same sentence in test, at {place}")
    ] * 2
    report, clips, _ = run(tmp_path, given, text_leaks="warn")
    assert len(clips) == 5
    assert report.notes == {"LEAK-TEXT": 2, "TXT-DIGIT": 2}
    assert "LEAK-TEXT: 2 rows share a sentence" in report.warnings[0]


def test_a_speaker_in_two_splits_is_named_or_rejected(tmp_path: Path) -> None:
    given = [
        record(1, split="train", speaker="Amina"),
        record(2, split="test", speaker="Amina"),
        record(3, split="train", speaker="Juma"),
        record(4, split="train"),
    ]
    report, clips, _ = run(tmp_path, given)
    assert len(clips) == 4
    assert report.notes == {"LEAK-SPEAKER": 1, "TXT-DIGIT": 4}
    warning = "LEAK-SPEAKER: 1 rows share a speaker with a held-out split, such as Amina"
    assert warning in report.warnings
    _, clips, rejected = run(tmp_path, given, speaker_leaks="reject")
    assert set(clips) == {"2", "3", "4"}
    assert [row["code"] for row in rejected] == ["LEAK-SPEAKER"]


def test_splits_made_keep_speakers_and_sentences_apart(tmp_path: Path) -> None:
    # Speakers 2k and 2k + 1 read the same three sentences.
    given = [
        record(
            number, speaker=f"s{number % 40}", text=f"maneno {number % 40 // 2} na {number // 40}"
        )
        for number in range(120)
    ]
    report, clips, rejected = run(tmp_path, given)
    assert not rejected
    assert (report.split_by, report.warnings) == ("speaker and sentence", ())
    assert report.notes == {"TXT-DIGIT": 120}
    assert 0.08 <= report.splits["test"].clips / 120 <= 0.12
    assert 0.08 <= report.splits["validation"].clips / 120 <= 0.12
    for field in ("speaker", "text"):
        splits = {(getattr(clip, field), clip.split) for clip in clips.values()}
        assert len(splits) == len({getattr(clip, field) for clip in clips.values()})


def test_splits_made_depend_on_the_seed_and_not_on_the_order(tmp_path: Path) -> None:
    given = [record(number) for number in range(60)]
    _, clips, _ = run(tmp_path, given)
    _, reversed_clips, _ = run(tmp_path, given[::-1])
    assert {clip.id: clip.split for clip in clips.values()} == {
        clip.id: clip.split for clip in reversed_clips.values()
    }
    _, others, _ = run(tmp_path, given, seed=1)
    assert any(clips[name].split != others[name].split for name in clips)


def test_one_speaker_is_split_by_sentence_and_the_report_says_so(tmp_path: Path) -> None:
    given = [record(number, speaker="Amina", text=f"neno {number % 30}") for number in range(60)]
    report, clips, rejected = run(tmp_path, given)
    assert not rejected
    assert report.split_by == "sentence"
    assert "split by sentence, speakers shared" in report.warnings[0]
    assert len({(clip.text, clip.split) for clip in clips.values()}) == 30
    report, clips, rejected = run(tmp_path, given, speaker_leaks="reject")
    assert (report.split_by, len(clips), rejected) == ("nothing", 60, [])
    assert "too few clips, sentences or speakers" in report.warnings[0]


def test_one_sentence_is_split_by_clip_only_where_sentences_may_be_shared(tmp_path: Path) -> None:
    given = [record(number, text="Habari Siri") for number in range(30)]
    assert run(tmp_path, given)[0].split_by == "nothing"
    report, clips, rejected = run(tmp_path, given, text_leaks="warn")
    assert not rejected
    assert report.split_by == "clip"
    assert report.notes == {"LEAK-TEXT": 27}
    assert {clip.split for clip in clips.values()} == {"train", "validation", "test"}


def test_a_few_shared_sentences_are_left_out_to_keep_speakers_apart(tmp_path: Path) -> None:
    # Every speaker greets with one of two sentences, so that all of them hang together.
    given = [
        record(n, speaker=f"s{n % 20}", text=f"salamu {n % 2}" if n < 20 else f"neno {n}")
        for n in range(400)
    ]
    report, clips, rejected = run(tmp_path, given, max_reject_fraction=0.2)
    assert report.split_by == "speaker"
    assert {row["code"] for row in rejected} == {"LEAK-TEXT"}
    assert len(rejected) <= 20
    assert len({(clip.speaker, clip.split) for clip in clips.values()}) == 20
    assert check(tmp_path / "out", options(), count_characters).rejected == {}
    assert run(tmp_path, given, max_reject_fraction=0.01)[0].split_by == "sentence"


def test_rows_without_speakers_are_split_by_sentence_and_counted(tmp_path: Path) -> None:
    report, _, _ = run(tmp_path, [record(n) for n in range(30)], speaker_leaks="reject")
    assert report.split_by == "sentence"
    assert report.warnings[-1] == "30 rows name no speaker, who may be in several splits"


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


def test_three_clips_are_all_train(tmp_path: Path) -> None:
    report, clips, _ = run(tmp_path, [record(number) for number in range(3)])
    assert report.split_by == "nothing"
    assert {clip.split for clip in clips.values()} == {"train"}
    assert "too few clips, sentences or speakers" in report.warnings[0]


def test_a_row_without_a_split_beside_rows_with_one_is_rejected(tmp_path: Path) -> None:
    _, clips, rejected = run(tmp_path, [record(1, split="train"), record(2)])
    assert set(clips) == {"1"}
    assert [(row["code"], row["reason"]) for row in rejected] == [
        ("MAN-SPLIT", "no split, while 1 rows have one")
    ]


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
