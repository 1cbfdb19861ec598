"""Test `prepare --align-with` as a user types it, and as a function."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hearing import sentence
from narrator import Narrator, narrate
from runs import save_base

import mothertongue as mt
from mothertongue import cli
from mothertongue.data.manifest import read_manifest
from mothertongue.errors import ConfigError
from mothertongue.inference.alignment import aligner
from mothertongue.inference.engine import Engine
from mothertongue.inference.speech_detection import everything
from mothertongue.model.tokenizer import Tokens

SENTENCES = [sentence(seed) for seed in range(16)]


@pytest.fixture
def corpus(tmp_path: Path, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a recording of 70 s and its text; the model recognizes it."""
    recording = narrate(SENTENCES)
    recording.write(tmp_path / "corpus/story.wav")
    (tmp_path / "corpus/story.txt").write_text("\n".join(SENTENCES))
    engine = Engine("base", lambda *_: Narrator(recording), {}, tokens)
    monkeypatch.setattr(aligner, "open_model", lambda _: engine)
    monkeypatch.setattr(aligner, "detector", lambda _: (everything, "off"))
    return tmp_path / "corpus"


def called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["mothertongue", "prepare", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0), *capsys.readouterr()


def test_the_verb_says_how_much_was_kept(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, record = tmp_path / "out", tmp_path / "report.json"
    settings: list[Any] = [corpus, "--language", "sw", "--out", out, "--json", record]
    settings += ["--align-with", "runs/mine", "--align-length", "15", "--align-least", "0.7"]
    code, shown, _ = called(monkeypatch, capsys, *settings)
    clips = list(read_manifest(out))
    assert code == 0 and len(clips) > 4
    assert sorted(" ".join(each.text for each in clips)) == sorted(" ".join(SENTENCES))
    assert all(each.duration_s <= 15 for each in clips)
    assert f"Long rows: 1, cut to {len(clips)} clips" in shown
    assert "by runs/mine" in shown and "100.0%" in shown
    found = json.loads(record.read_text())["alignment"]
    assert found["settings"] == {"least": 0.7, "max_s": 15.0}


def test_the_function_does_the_same(corpus: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"language": "sw", "max_duration_s": 20.0}
    found = mt.prepare(corpus, tmp_path / "out", align_with="runs/mine", **settings)
    assert found["alignment"]["kept_characters"] == found["alignment"]["characters"]
    assert all(each.duration_s <= 20 for each in read_manifest(tmp_path / "out"))
    with pytest.raises(ConfigError, match="align has no effect without align_with"):
        mt.prepare(corpus, tmp_path / "out", align={"least": 0.4}, **settings)
    with pytest.raises(ConfigError, match="most"):
        mt.prepare(corpus, tmp_path / "out", align_with="x", align={"most": 1}, **settings)


@pytest.mark.parametrize("option", ["--align-least", "--align-length"])
def test_an_option_without_a_model_is_an_error(
    corpus: Path,
    tmp_path: Path,
    option: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = (corpus, "--language", "sw", "--out", tmp_path / "out", option, "1")
    code, _, err = called(monkeypatch, capsys, *settings)
    assert code == 2
    assert f"{option} has no effect without --align-with MODEL" in err


def test_a_base_that_knows_nothing_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real engine, with word times: a tiny Whisper of random weights."""
    base = save_base(tmp_path / "base")
    narrate(SENTENCES).write(tmp_path / "corpus/story.wav")
    (tmp_path / "corpus/story.txt").write_text("\n".join(SENTENCES))
    monkeypatch.setattr(aligner, "detector", lambda _: (everything, "off"))
    settings = [tmp_path / "corpus", "--language", "sw", "--out", tmp_path / "out"]
    code, shown, err = called(monkeypatch, capsys, *settings, "--align-with", base, "--base", base)
    assert code == 65
    assert "SEG-APART" in shown
    assert "1 of 1 rows rejected (SEG-APART 1)" in err
    assert "0.0%" in shown
