"""The verbs as a user types them: output, exit codes, messages without a traceback."""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from clips import tone, write_clip
from disks import no_file_above
from runs import save_base, save_corpus, write_experiment

from mothertongue.cli.support import explained, fail, show
from mothertongue.data import row_database as ledger
from mothertongue.data.manifest import read_manifest
from mothertongue.errors import ConfigError
from mothertongue.inference.records import TranscribeResult, recording_record
from mothertongue.inference.subtitles import Recording
from mothertongue.report.tables.verb_tables import transcript_lines


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("cli")
    return save_base(folder / "base"), save_corpus(folder / "data")


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from mothertongue.cli import main; sys.argv = ['mothertongue', '--help']\n"
        "try: main()\n"
        "except SystemExit: print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)  # writes .pyc
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "fine-tune it on a few hours of speech" in done.stdout
    if not os.environ.get("PYTHONDONTWRITEBYTECODE"):
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "{base}", "--data", "{data}"],
        ["transcribe", "{base}", "{data}/test0.wav"],
    ],
)
def test_graphs_of_decoding_are_an_option(
    call: Any, made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    def stop(*given: Any) -> None:
        raise ConfigError(f"graphs: {given[-1]}")

    monkeypatch.setattr("mothertongue.cli.models.decoding", stop)
    words = [each.format(base=made[0], data=made[1]) for each in words]
    for options, expected in (([], "off"), (["--graphs", "auto"], "auto")):
        code, _, err = call(*words, *options)
        assert code == 2
        assert f"graphs: {expected}" in err


def test_serve_has_no_graphs_since_it_mixes_adapters(
    call: Any, made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise ConfigError("taken")

    monkeypatch.setattr("mothertongue.cli.serving.decoding", stop)
    code, _, err = call("serve", made[0], "--graphs", "auto")
    assert code == 2 and "No such option: --graphs" in err


def test_version(call: Any) -> None:
    from mothertongue import __version__

    assert call("--version") == (0, f"{__version__}\n", "")


def test_prepare_writes_a_manifest_and_says_what_it_found(call: Any, tmp_path: Path) -> None:
    rows = [("file_name", "sentence", "client_id")]
    for i in range(12):
        write_clip(tmp_path / f"{i}.wav", tone(1.0, 300.0 + 40 * i))
        rows.append((f"{i}.wav", f"neno la {i}", f"msemaji {i}"))
    (tmp_path / "table.csv").write_text("\n".join(map(",".join, rows)), encoding="utf-8")
    code, out, _ = call(
        *("prepare", tmp_path / "table.csv", "--language", "sw", "--out", tmp_path / "out"),
        *("--json", tmp_path / "report.json"),
    )
    assert code == 0
    assert "Splits (by speaker and sentence)" in out
    assert len(list(read_manifest(tmp_path / "out"))) == 12
    report = json.loads((tmp_path / "report.json").read_text())
    totals = [report[name] for name in ("ok", "source", "rows", "kept", "out")]
    assert totals == [True, "table", 12, 12, str(tmp_path / "out")]
    assert report["hours"] == pytest.approx(12 / 3600)
    assert "Read as table" in out
    code, out, _ = call("check", tmp_path / "out", "--json", "-")
    assert (code, json.loads(out)["num_rejected"]) == (0, 0)


def test_source_names_the_layout_where_looks_mislead(call: Any, tmp_path: Path) -> None:
    write_clip(tmp_path / "a.wav", tone())
    (tmp_path / "metadata.csv").write_text("file_name,text\na.wav,habari\n")
    prepare = ("prepare", tmp_path, "--language", "sw", "--out", tmp_path / "out")
    assert "Read as audiofolder" in call(*prepare)[1]
    assert "Read as table" in call(*prepare, "--source", "table")[1]
    code, _, err = call(*prepare, "--source", "fleurs")
    assert (code, "a folder with a.wav, metadata.csv, out/; expected fleurs" in err) == (65, True)
    code, _, err = call(*prepare, "--source", "elan5")
    assert (code, "'elan5': no such layout; expected audacity, " in err) == (2, True)


def test_audio_root_is_where_the_paths_of_a_table_start(call: Any, tmp_path: Path) -> None:
    write_clip(tmp_path / "sounds/a.wav", tone())
    (tmp_path / "t.csv").write_text("path,text\na.wav,habari\n")
    prepare = ("prepare", tmp_path / "t.csv", "--language", "sw", "--out", tmp_path / "out")
    assert call(*prepare, "--audio-root", tmp_path / "sounds")[0] == 0
    code, _, err = call(*prepare, "--audio-root", tmp_path / "none")
    assert (code, "none: no such folder; check the path" in err) == (2, True)


def test_too_many_rejected_rows_are_exit_65_with_both_files_written(
    call: Any, tmp_path: Path
) -> None:
    write_clip(tmp_path / "a.wav", tone())
    (tmp_path / "t.csv").write_text("path,text\na.wav,habari\nnone.wav,kwaheri\n")
    code, out, err = call("prepare", tmp_path / "t.csv", "--language", "sw", "--out", tmp_path)
    assert code == 65
    assert "AUD-MISSING" in out
    assert err.startswith("error: 1 of 2 rows rejected (AUD-MISSING 1)")
    assert (tmp_path / "manifest.jsonl").is_file()
    assert json.loads((tmp_path / "rejected.jsonl").read_text())["code"] == "AUD-MISSING"


def test_the_whole_line_from_manifest_to_text(
    call: Any, made: tuple[Path, Path], tmp_path: Path
) -> None:
    experiment = write_experiment(tmp_path, *made)
    code, out, _ = call("train", experiment, "train.epochs=1", "--out", tmp_path / "run")
    assert code == 0
    assert "best weights" in out
    assert "--with-base" in (tmp_path / "run/report.html").read_text("utf-8")
    code, out, _ = call("evaluate", tmp_path / "run", "--data", made[1], "--json", "-")
    result = json.loads(out)
    assert code == 0
    assert (result["split"], result["language"], len(result["utterances"])) == ("test", "sw", 3)
    assert set(result["scores"]) == set(result["scores_cut"]) == {"strict", "whisper", "raw"}
    assert result["scores"]["strict"]["context"] == "full"
    assert result["scores_cut"]["strict"]["context"] == "cut"
    expected = {"wer", "cer", "interval95", "n", "substitutions", "deletions", "insertions"}
    expected |= {"reference_words", "normalizer", "context"}
    assert expected <= set(result["scores"]["raw"])
    folded = ("--engine", "ctranslate2", "--compute-type", "float32")
    code, out, _ = call("evaluate", tmp_path / "run", "--data", made[1], *folded, "--json", "-")
    same = json.loads(out)
    assert (code, same["decoding"]["engine"]) == (0, "ctranslate2")
    for context in ("scores", "scores_cut"):
        assert same[context]["raw"] == result[context]["raw"]
    clip = write_clip(tmp_path / "long.wav", tone(33.0))
    both = (clip, made[1] / "test0.wav", "--vad", "off")
    code, out, _ = call("transcribe", tmp_path / "run", *both, "--json", "-")
    files = json.loads(out)["files"]
    assert [each["duration_s"] for each in files] == pytest.approx([33.0, 0.5])
    assert 20 < files[0]["segments"][-1]["end_s"] <= 33.0
    assert {each["language"] for each in files} == {"sw"}
    into = ("--out", tmp_path / "said", "--format", "srt", "--format", "txt")
    code, out, _ = call("transcribe", tmp_path / "run", *both, *into)
    assert (code, out.count("2 recordings")) == (0, 1)
    code, out, _ = call("transcribe", tmp_path / "run", *both, *into)
    assert "2 were there already" in " ".join(out.split())
    assert "-->" in (tmp_path / "said/long.srt").read_text("utf-8")
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no audio")
    code, out, err = call("transcribe", tmp_path / "run", broken, *both, "--json", "-")
    assert (code, len(json.loads(out)["files"])) == (65, 2)  # what was heard is not lost
    assert "1 recordings were not read" in err and "broken.wav" in err
    code, _, err = call("transcribe", tmp_path / "run", *both, *into, "--beam-size", "2")
    assert (code, "beam_size: was 1, now 2" in err) == (2, True)


def test_a_run_keeps_its_scores_and_its_page_shows_them(
    call: Any, made: tuple[Path, Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    call("train", write_experiment(tmp_path, *made), "train.epochs=1", "--out", run)
    code, out, err = call("evaluate", run, "--with-base", "--json", tmp_path / "j")
    assert code == 0
    assert str(run / "report.html") in "".join(err.split("\n"))
    kept = {path.stem: json.loads(path.read_text()) for path in (run / "eval").iterdir()}
    assert set(kept) == {"test", "base-test"}
    result = json.loads((tmp_path / "j").read_text())
    assert result["utterances"] == kept["test"]["utterances"]
    assert result["base"]["scores"] == kept["base-test"]["scores"]
    assert "where the base model has" in (run / "report.html").read_text("utf-8")
    call("evaluate", run, "--split", "validation", "--weights", "final")
    call("evaluate", run, "--language", "fr")
    assert {path.stem for path in (run / "eval").iterdir()} == {"test", "base-test"}
    other = save_corpus(tmp_path / "elsewhere", train=1, validation=1, test=1)
    call("evaluate", run, "--data", other)
    assert len(list((run / "eval").glob("also-elsewhere-????????.json"))) == 1
    figures = ("--figures", tmp_path / "figures", "--audio", "none")
    code, out, _ = call("report", run, "--out", tmp_path / "page.html", *figures, "--json", "-")
    assert (code, json.loads(out)["clips"]) == (0, 3)
    assert (tmp_path / "figures/sw-wer.pdf").is_file()


def test_a_base_is_scored_at_full_context_only(call: Any, made: tuple[Path, Path]) -> None:
    code, out, _ = call("evaluate", made[0], "--data", made[1], "--json", "-")
    result = json.loads(out)
    assert (code, result["kind"], result["scores_cut"]) == (0, "base", None)


def test_a_base_is_scored_on_long_recordings(call: Any, made: tuple[Path, Path]) -> None:
    options = ["--long-form", "--vad", "off"]
    code, out, err = call("evaluate", made[0], "--data", made[1], *options, "--json", "-")
    result = json.loads(out)
    assert code == 0, err
    assert [each["parts"] for each in result["recordings"]] == [2, 1]  # test clips of two speakers
    assert result["scores_clips"]["strict"]["n"] == 3
    assert result["decoding"]["vad"] == "off"
    code, out, _ = call("evaluate", made[0], "--data", made[1], *options)
    assert (code, "recordings: 2, " in out, "the clips alone: 3" in out) == (0, True, True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "nowhere.yaml"], 2, "nowhere.yaml: no such file; expected a YAML file"),
        (["train", "{yaml}", "train.epoch=3"], 2, "train.epoch: unknown key"),
        (["train", "{yaml}", "train.epochs"], 2, "expected key=value, such as train.epochs=3"),
        (["train", "{yaml}", "train.epochs=-1"], 2, "greater than 0 (got -1)"),
        (["train", "{yaml}", "strategy={kind: freeze, encoder_layers: 9}"], 2, "9 to freeze"),
        (["train", "{yaml}", "data=nowhere"], 65, "no such manifest"),
        (["train", "{yaml}", "base=./nowhere"], 65, "no such file or folder"),
        (["evaluate", "./nowhere", "--data", "{data}"], 65, "no such file or folder"),
        (["evaluate", "{base}", "--data", "{data}", "--compute-type", "int8"], 2, "--precision"),
        (
            ["evaluate", "{base}", "--data", "x", "--engine=ctranslate2", "--precision=bf16"],
            *(2, "--precision bf16 is torch's"),
        ),
        (["transcribe", "{base}", "nowhere.wav"], 65, "nowhere.wav"),
        (["transcribe", "{base}", "{data}", "--format", "srt"], 2, "needs --out FOLDER"),
        (["transcribe", "{base}", "{data}", "--format", "doc"], 2, "txt, srt, vtt, json"),
        (["transcribe", "{base}", "x.wav", "--language", "klingon!"], 2, "klingon!"),
        (["evaluate", "{base}"], 2, "add --data MANIFEST"),
        (["evaluate", "{base}", "--data", "{data}", "--with-base"], 2, "is no run"),
        (["evaluate", "{base}", "--data", "{data}", "--minutes", "3"], 2, "without --long-form"),
        (["label", "{base}", "{data}", "--out", "x"], 2, "add --language CODE"),
        (
            ["label", "{base}", "{data}", "--out=x", "--language=sw", "--least-agreement=0.5"],
            *(2, "add --agree-with MODEL"),
        ),
        (["report", "{data}"], 2, "neither a finished comparison nor a run"),
    ],
)
def test_what_a_user_gets_wrong_is_one_message_and_a_code(
    call: Any,
    made: tuple[Path, Path],
    tmp_path: Path,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    yaml = write_experiment(tmp_path, *made)
    filled = [
        text.replace("{yaml}", str(yaml)).replace("{base}", str(made[0])) for text in arguments
    ]
    out = ["--out", tmp_path / "run"] if arguments[0] == "train" else []
    got, _, err = call(*(text.replace("{data}", str(made[1])) for text in filled), *out)
    assert got == code
    assert message in " ".join(err.split())
    assert "Traceback" not in err


def test_a_path_with_brackets_is_shown_as_it_is(
    call: Any, made: tuple[Path, Path], tmp_path: Path
) -> None:
    data = save_corpus(tmp_path / "data [v2][/b]", train=1, validation=0, test=1)
    code, out, _ = call("evaluate", made[0], "--data", data)
    assert code == 0
    assert "data[v2][/b]" in "".join(out.split())  # a line may end at the space


def test_transcripts_for_machines_are_not_broken_into_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = json.dumps({"text": "neno refu " * 100})
    result = TranscribeResult("m", [recording_record(Recording("sw", 1.0, ()))], 0, [])
    show(result, transcript_lines(result, None, text), None)
    assert capsys.readouterr().out == f"{text}\n"


def test_what_a_manifest_says_steers_no_terminal(
    call: Any, made: tuple[Path, Path], tmp_path: Path
) -> None:
    steer = "\x1b]0;title\x07\x1b[2J"
    line = {"id": f"a{steer}", "audio": "a.wav", "text": "x", "language": "sw", "duration_s": 1}
    (tmp_path / "manifest.jsonl").write_text(f"{json.dumps(line)}\n" * 2)
    code, _, err = call("evaluate", made[0], "--data", tmp_path)
    assert (code, "a]0;title[2J: 2 times" in err) == (65, True)
    assert "\x1b" not in err


def test_a_full_disk_for_temporary_files_is_one_message(
    call: Any, made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # More than SQLite keeps in memory, as the rows of a large corpus are.
    filler = "CREATE TABLE filler AS SELECT zeroblob(1 << 25) AS rows;"
    monkeypatch.setattr(ledger, "SCHEMA", ledger.SCHEMA + filler)
    with no_file_above(4096):
        code, _, err = call("check", made[1])
    assert (code, f"error: {tmp_path}: what prepare keeps there" in err) == (1, True)
    assert "set TMPDIR to a folder on another disk" in err


def test_a_full_disk_behind_standard_output_is_said_and_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OSError, match="No space left") as raised:
            show({}, "transcripts", None)
        assert explained(raised.value) == "input/output: No space left on device"
        assert fail("x", 1) == 1  # or leaving the block would raise, as Python does at its end


def test_a_name_that_is_no_utf8_is_one_message() -> None:
    with pytest.raises(UnicodeEncodeError) as raised:
        ("x" * 100 + " odd\udcff.wav").encode()
    message = explained(raised.value)
    assert message and message.startswith("'...x")
    assert " odd\\udcff.wav' cannot be written in utf-8; rename the file" in message
