"""The verbs as functions: what the README shows runs, on tiny random models."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from clips import tone
from runs import save_base, save_corpus
from tiny import noise

import mothertongue as mt
from mothertongue.data.manifest import read_manifest
from mothertongue.errors import ConfigError, DataError

README = Path(__file__).parents[1] / "README.md"
GUIDE = Path(__file__).parents[1] / "docs/guide.md"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the README's example names, and a tiny base."""
    rows = []
    for number in range(12):
        soundfile.write(tmp_path / f"{number}.wav", noise(1.0, number), 16_000)
        split = ("train", "validation", "test")[max(0, number - 9)]
        rows.append(f"{number}.wav,neno la {'abcdefghijkl'[number]},{split}")
    (tmp_path / "my_corpus.csv").write_text("\n".join(["audio,text,split", *rows, ""]))
    soundfile.write(tmp_path / "a_recording.wav", noise(3.0), 16_000)
    save_base(tmp_path / "base")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readmes_example_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    code = code.replace('language="sw")', f'language="sw", base="{home / "base"}")')
    scope: dict[str, Any] = {}
    exec(code.replace("openai/whisper-base", str(home / "base")), scope)
    wer, text = capsys.readouterr().out.splitlines()
    assert float(wer) > 0.5 and isinstance(text, str)
    assert (home / "runs/mine/record.json").is_file()


def test_the_guides_doctor_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n([^`]*mt\.doctor.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    mt.prepare("my_corpus.csv", "data/mine", language="sw", base=str(home / "base"))
    exec(code.replace("runs/mine", str(home / "base")), {})
    assert "'NOISY': 12" in capsys.readouterr().out
    assert callable(mt.doctor)  # no package of this name hides it
    names = {"doctor.json", "doctor.html", "recognized.jsonl", "decisions.jsonl"}
    assert {path.name for path in (home / "data/mine/doctor").iterdir()} == names


@pytest.mark.slow
def test_the_guides_example_runs(home: Path) -> None:
    save_corpus(home / "data/mine")
    settings = {"name": "mine", "base": str(home / "base"), "language": "sw", "data": "data/mine"}
    settings |= {
        "strategy": {"kind": "full"},
        "train": {"epochs": 20, "learning_rate": 1e-2, "eval_every_steps": 40},
    }
    mt.train(settings)
    (home / "news.txt").write_text("habari ya leo\n")
    (home / "names.txt").write_text("Amina\n")
    (home / "radio").mkdir()
    soundfile.write(home / "radio/talk.wav", tone(2.4, 500.0), 16_000)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    (code,) = [each for each in blocks if "mt.label" in each]
    scope: dict[str, Any] = {}
    code = code.replace('], "lm")', f'], "lm", base="{home / "base"}")')
    exec(code.replace("keep=0.5", "vad='off', min_speed=0, max_speed=1000"), scope)
    assert isinstance(scope["text"], str)
    labelled = scope["labelled"]["labelling"]
    assert (labelled["recordings"], labelled["settings"]["lm"]) == (1, "lm")
    assert [each.text for each in read_manifest(home / "data/pseudo")] == ["tatu"]
    long = mt.evaluate("runs/mine", long_form=True, vad="off", minutes=1)
    assert long["ratio"]["measure"] == "wer" and (home / "runs/mine/eval/long-test.json").is_file()


def test_a_model_takes_samples_and_files_alike(home: Path) -> None:
    model = mt.load_model(home / "base")
    samples_N = noise(3.0)
    soundfile.write(home / "float.wav", samples_N, 16_000, subtype="FLOAT")
    of_file = model.transcribe("float.wav", language="sw", word_times=True)
    of_samples = model.transcribe(samples_N, language="sw", word_times=True)
    assert of_file == of_samples
    assert of_file.duration_s == 3.0 and of_file.language == "sw"


@pytest.mark.parametrize(
    "audio",
    [
        np.zeros((2, 16_000), np.float32),
        np.zeros(16_000),
        np.zeros(0, np.float32),
        np.full(16_000, np.nan, np.float32),
        np.full(16_000, 9_000, np.float32),
        [0.0] * 16_000,
        (np.zeros(16_000, np.float32), 16_000),
    ],
)
def test_what_are_no_samples_is_refused(home: Path, audio: Any) -> None:
    with pytest.raises(ConfigError, match=r"^audio: "):
        mt.load_model(home / "base").transcribe(audio)


def test_errors_are_those_of_the_verbs(home: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.wav"):
        mt.load_model(home / "base").transcribe("nothing.wav")
    with pytest.raises(ConfigError, match="split: got 'tset'; expected 'train', 'validation' or '"):
        mt.evaluate(home / "base", home, split="tset")
    with pytest.raises(ConfigError, match="beam: unknown key"):
        mt.evaluate(home / "base", home, beam=5)
    with pytest.raises(ConfigError, match="not a valid experiment"):
        mt.train({"name": "x"})


@pytest.mark.parametrize(
    ("verb", "arguments", "message"),
    [
        ("load_model", {"name_or_path": None}, "name_or_path: got None; expected a valid string"),
        (
            "load_model",
            {"name_or_path": "x", "engine": "cuda"},
            "engine: got 'cuda'; expected 'auto'",
        ),
        ("load_model", {"name_or_path": "x", "precision": "fp16"}, "precision: got 'fp16'"),
        ("doctor", {"data": "x", "batch_size": 0}, "batch_size: got 0; expected greater"),
        ("train", {"experiment": 5}, "experiment: got 5; expected"),
        ("evaluate", {"model": "x", "vad": "slero"}, "vad: got 'slero'; expected 'auto'"),
        ("evaluate", {"model": "x", "minutes": "5"}, "minutes: got '5'; expected a valid number"),
        ("label", {"model": "x", "audio": 5, "out": "y"}, "audio: got 5; expected"),
        ("lm", {"texts": "x", "out": "y", "order": 0}, "order: got 0; expected greater than or"),
        ("compare", {"grid": "x", "jobs": 0}, "jobs: got 0; expected greater than or equal to 1"),
        ("average", {"runs": "x", "out": "y", "with_base": "sweeep"}, "with_base: got 'sweeep'"),
    ],
)
def test_arguments_of_the_wrong_kind_are_named(
    verb: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        getattr(mt, verb)(**arguments)


def test_one_path_stands_for_a_list_and_a_pattern_for_paths(home: Path) -> None:
    with pytest.raises(ConfigError, match="1 runs to average"):
        mt.average(home, home / "mean")
    (home / "news.txt").write_text("habari ya leo\n")
    found = mt.lm(home.glob("*.txt"), home / "lm", order=1, base=home / "base")
    assert found["texts"] == [str(home / "news.txt")]


def test_prepare_takes_the_options_of_reading(home: Path) -> None:
    (home / "sounds").mkdir()
    for sound in home.glob("?*.wav"):
        sound.rename(home / "sounds" / sound.name)
    settings: dict[str, Any] = {"language": "sw", "base": str(home / "base")}
    with pytest.raises(DataError, match="AUD-MISSING"):
        mt.prepare("my_corpus.csv", "data/mine", **settings)
    found = mt.prepare("my_corpus.csv", "data/mine", audio_root="sounds", **settings)
    assert (found["num_rows"], found["rejected"]) == (12, {})
    for options, message in (
        ({"tier": ["words"]}, "--tier has no effect on a corpus of kind table"),
        ({"join": 99}, "join: "),
        ({"audio_rot": "sounds"}, "audio_rot: unknown key"),
        ({"layout": "tabel"}, "--source 'tabel': no such layout"),
    ):
        with pytest.raises(ConfigError, match=message):
            mt.prepare("my_corpus.csv", "data/mine", **options, **settings)


def test_nothing_heavy_is_imported_before_a_function_is_called() -> None:
    code = "import mothertongue as mt, sys; dir(mt); mt.train; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    with pytest.raises(AttributeError, match="no attribute 'tarin'"):
        mt.tarin  # type: ignore[attr-defined]  # noqa: B018
