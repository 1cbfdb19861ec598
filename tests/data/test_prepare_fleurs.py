"""FLEURS from the Hub's files to a manifest: its audio, its leaks, and whether it is all there."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fleurs_files import SCHEMA, record, records, wav, write_parquet, write_tsv

from mothertongue import cli
from mothertongue.data.data_report import DataReport
from mothertongue.data.manifest import MANIFEST_NAME, Utterance, read_manifest
from mothertongue.data.prepare import PrepareOptions, check, prepare
from mothertongue.data.sources import fleurs
from mothertongue.data.sources.base import Row, Source
from mothertongue.data.sources.detect import ReadingOptions, detect

Rejected = list[dict[str, Any]]


def count_characters(text: str, language: str) -> int:
    return len(text) + 5


def run(
    source: Path, out: Path, text_field: fleurs.TextField | None = None, **values: object
) -> tuple[DataReport, list[Utterance], Rejected]:
    options = PrepareOptions.model_validate({"language": "ha", "workers": 2} | values)
    reading = ReadingOptions(text_field=text_field)
    report = prepare(detect(source, reading), out, options, count_characters)
    lines = (out / "rejected.jsonl").read_text().splitlines()
    return report, list(read_manifest(out)), [json.loads(line) for line in lines]


def test_both_layouts_give_the_same_utterances(tmp_path: Path) -> None:
    _, parquet, rejected = run(write_parquet(tmp_path / "a", records()), tmp_path / "pq")
    assert rejected == []
    _, tsv, _ = run(write_tsv(tmp_path / "b", records()), tmp_path / "tsv")

    def facts(clips: list[Utterance]) -> list[tuple[object, ...]]:
        return [(c.id, c.text, c.language, c.split, c.duration_s) for c in clips]

    assert facts(parquet) == facts(tsv)
    assert [clip.audio for clip in parquet[:2]] == ["audio/0.wav", "audio/1.wav"]
    assert (tmp_path / "pq" / "audio" / "1.wav").read_bytes() == wav(310.0)


def test_two_languages_in_one_folder_keep_apart(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for code, first_hertz in (("af", 300.0), ("sw", 500.0)):
        folder = write_parquet(tmp_path / f"{code}_za", records(first_hertz))
        run(folder, out / code, language=code)
    for code, hertz in (("af", 300.0), ("sw", 500.0)):
        clip, *_ = read_manifest(out / code)
        assert clip.language == code
        assert (out / code / clip.audio).read_bytes() == wav(hertz)
        assert check(out / code, PrepareOptions(), count_characters).ok


def test_prepared_twice_is_the_same_and_can_be_moved(tmp_path: Path) -> None:
    source = write_parquet(tmp_path / "sw_ke", records())
    out = tmp_path / "out"
    run(source, out)
    before = (out / MANIFEST_NAME).read_bytes()
    times = {path: path.stat().st_mtime_ns for path in (out / "audio").iterdir()}
    run(source, out)
    assert (out / MANIFEST_NAME).read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in (out / "audio").iterdir()} == times
    out.rename(tmp_path / "moved")
    source.rename(tmp_path / "gone")
    report = check(tmp_path / "moved", PrepareOptions(), count_characters)
    assert (report.ok, report.num_rejected, report.num_rows) == (True, 0, 11)


def test_bad_rows_cost_themselves_only(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(wav(900.0))
    given = [
        record(1, "good.wav", 300.0),
        record(2, "../secret.wav", 310.0),
        record(3, "no.wav", 320.0, audio=None),
        record(4, "no.wav", 330.0, audio={"bytes": None, "path": "../secret.wav"}),
        record(5, "cut.wav", 340.0, audio={"bytes": wav(340.0)[:5000], "path": "cut.wav"}),
        record(6, "empty.wav", 350.0, audio={"bytes": b"", "path": "empty.wav"}),
        record(7, "a\0b.wav", 360.0, transcription="neno\0 saba"),
        record(8, "good.wav", 370.0),
        record(9, "none.wav", 380.0, transcription=None),
    ]
    source = write_parquet(tmp_path / "corpus", {"train": given})
    report, clips, rejected = run(source, tmp_path / "out", max_reject_fraction=1.0)
    assert [row["code"] for row in rejected] == [
        "AUD-MISSING", "PATH-OUTSIDE", "AUD-TRUNCATED", "AUD-EMPTY", "TXT-EMPTY",
    ]  # fmt: skip
    assert "RIFF" not in json.dumps(rejected)
    assert [clip.text for clip in clips] == [
        f"{text}" for text in ("sentensi namba 1", "sentensi namba 2", "neno saba")
    ] + ["sentensi namba 8"]
    names = [Path(clip.audio).name for clip in clips]
    assert names[:3] == ["good.wav", "secret.wav", "a_b.wav"]
    assert names[3].startswith("good-")
    assert len({clip.id for clip in clips}) == 4
    assert (tmp_path / "secret.wav").read_bytes() == wav(900.0)
    assert report.notes["TXT-CONTROL"] == 1


@pytest.mark.parametrize("write", [write_tsv, write_parquet])
def test_a_sentence_id_that_is_held_out_is_a_leak_whatever_its_text(
    tmp_path: Path, write: Any
) -> None:
    given = records()
    other = {"transcription": "maneno mengine kabisa"}
    # Sentence 1 has a reading in test, with another text; a row of sentence 2 has that text too.
    given["test"].append(record(1, "t.wav", 700.0, **other))
    given["train"].append(record(2, "u.wav", 710.0, **other))
    report, clips, rejected = run(write(tmp_path / "x", given), tmp_path / "out")
    # Sentence 2 hangs together with sentence 1, so both of its rows leak.
    assert [row["row"]["id"] for row in rejected] == ["0", "1", "2", "3", "u"]
    assert {row["code"] for row in rejected} == {"LEAK-TEXT"}
    assert "same sentence in test, at " in rejected[0]["reason"]
    assert {clip.id for clip in clips} == {"4", "5", "6", "7", "8", "9", "10", "t"}
    report, clips, _ = run(tmp_path / "x", tmp_path / "out", text_leaks="warn")
    assert len(clips) == 13
    assert report.notes["LEAK-TEXT"] == 5
    assert "LEAK-TEXT: 5 rows share a sentence with a held-out split" in report.warnings[0]


class Named(Source):
    """Twenty sentences, each read twice in other words, and no splits."""

    kind: Literal["named"] = "named"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        return False

    @property
    def root(self) -> Path:
        return self.path

    def rows(self) -> Iterator[Row]:
        for number in range(40):
            text, name = f"neno {number}", f"{number // 2}"
            content = wav(300.0 + 20 * number)
            yield Row(f"t:{number}", id=str(number), text=text, sentence_id=name, embedded=content)


def test_splits_made_keep_a_sentence_id_together(tmp_path: Path) -> None:
    options = PrepareOptions(language="sw")
    report = prepare(Named(path=tmp_path), tmp_path / "out", options, count_characters)
    splits = {clip.id: clip.split for clip in read_manifest(tmp_path / "out")}
    assert report.split_by == "sentence"
    assert set(splits.values()) == {"train", "validation", "test"}
    assert all(splits[str(n)] == splits[str(n + 1)] for n in range(0, 40, 2))


@pytest.mark.parametrize("write", [write_tsv, write_parquet])
@pytest.mark.parametrize(("folder", "language"), [("sw_ke", "ha"), ("mine", "sw-KE")])
def test_all_rows_of_the_paper_are_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Any, folder: str, language: str
) -> None:
    monkeypatch.setitem(fleurs.PAPER_ROWS, "sw", (6, 2, 3))
    given = records()
    given["train"][0]["transcription"] = ""  # rejected, and a row all the same
    report, _, rejected = run(write(tmp_path / folder, given), tmp_path / "out", language=language)
    assert len(rejected) == 1
    fact = "FLEURS sw: 6 train, 2 validation, 3 test rows, as in Table 2 of Liu, Yang, Qu 2024"
    assert report.confirmed == (fact,)
    assert not any("FLEURS" in warning for warning in report.warnings)


def test_a_download_that_is_not_complete_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fleurs.PAPER_ROWS, "sw", (6, 2, 3))
    source = write_parquet(tmp_path / "sw_ke", records())
    (source / "train" / "0001.parquet").unlink()
    (source / "validation" / "0000.parquet").unlink()
    report, _, _ = run(source, tmp_path / "out")
    assert report.confirmed == ()
    assert report.warnings[-1] == (
        "FLEURS sw: train has 3 rows, expected 6; validation has 0 rows, expected 2 "
        "(Table 2 of Liu, Yang, Qu 2024); download the corpus again"
    )


def test_a_ragged_line_is_a_row_of_its_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fleurs.PAPER_ROWS, "sw", (6, 2, 4))
    source = write_tsv(tmp_path / "sw_ke", records())
    with (source / "test.tsv").open("a") as file:
        file.write("9\tx.wav\tno more\n")
    report, _, _ = run(source, tmp_path / "out")
    assert report.confirmed


def test_another_language_and_another_layout_say_nothing_of_the_paper(tmp_path: Path) -> None:
    report, _, _ = run(write_parquet(tmp_path / "ha_ng", records()), tmp_path / "out")
    assert not report.confirmed
    assert not any("FLEURS" in warning for warning in report.warnings)
    (tmp_path / "t.csv").write_text("audio,text,split\nout/audio/0.wav,neno,train\n")
    report, _, _ = run(tmp_path / "t.csv", tmp_path / "again", language="sw")
    assert not report.confirmed
    assert not any("FLEURS" in warning for warning in report.warnings)


def test_a_table_with_audio_in_it_goes_the_same_way(tmp_path: Path) -> None:
    columns = {
        "audio": [{"bytes": wav(300.0 + 20 * n), "path": None} for n in range(10)],
        "sentence": [f"neno {n}" for n in range(10)],
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    out = tmp_path / "out"
    report, clips, rejected = run(tmp_path / "t.parquet", out)
    assert (len(clips), rejected, report.split_by) == (10, [], "sentence")
    assert report.notes == {"TXT-DIGIT": 10}
    assert (out / clips[0].audio).read_bytes() == wav(300.0)
    before = (out / MANIFEST_NAME).read_bytes()
    run(tmp_path / "t.parquet", out)
    assert (out / MANIFEST_NAME).read_bytes() == before


def verb(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["mothertongue", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def test_the_verb_takes_the_text_field_and_shows_what_is_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(fleurs.PAPER_ROWS, "sw", (6, 2, 3))
    source = write_parquet(tmp_path / "sw_ke", records())
    prepared = ("prepare", source, "--language", "sw", "--out", tmp_path / "out")
    assert verb(monkeypatch, *prepared, "--text-field", "raw_transcription") == 0
    assert "confirmed: FLEURS sw: 6 train" in capsys.readouterr().out
    assert next(iter(read_manifest(tmp_path / "out"))).text == "Sentensi, namba 1!"
    assert verb(monkeypatch, *prepared) == 0
    assert next(iter(read_manifest(tmp_path / "out"))).text == "sentensi namba 1"
    table = (tmp_path / "t.csv").absolute()
    table.write_text("audio,text\na.wav,hi\n")
    arguments = ("prepare", table, "--language", "sw", "--out", tmp_path / "other")
    assert verb(monkeypatch, *arguments, "--text-field", "transcription") == 2
    assert "--text-field has no effect" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


# VmHWM, because ru_maxrss outlives exec: a child has at least the peak of pytest itself.
PEAK = """
import sys
from pathlib import Path
from mothertongue.data.embedded_audio import stored
from mothertongue.data.sources.fleurs import FleursSource
rows = FleursSource(path=Path(sys.argv[1])).rows()
count = sum(1 for row in stored(rows, Path(sys.argv[2])))
status = Path("/proc/self/status").read_text()
print(count, int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


def peak_mib(folder: Path, num_groups: int) -> int:
    """Peak memory of writing out a file of 3 MiB row groups, made here a group at a time."""
    random = Random(0)  # nothing compresses
    (folder / "test").mkdir(parents=True)
    with pq.ParquetWriter(folder / "test" / "0000.parquet", SCHEMA) as writer:
        for group in range(num_groups):
            noise = [random.randbytes(1 << 18) for _ in range(12)]
            rows = [
                record(n, f"{group}-{n}.wav", 300.0, audio={"bytes": each, "path": f"{group}-{n}"})
                for n, each in enumerate(noise)
            ]
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
    command = [sys.executable, "-c", PEAK, str(folder), str(folder / "out")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    count, peak = done.stdout.split()
    assert int(count) == 12 * num_groups
    return int(peak)


def test_ten_times_the_audio_takes_the_same_memory(tmp_path: Path) -> None:
    small, large = peak_mib(tmp_path / "small", 4), peak_mib(tmp_path / "large", 40)
    assert large - small < 30, (small, large)
