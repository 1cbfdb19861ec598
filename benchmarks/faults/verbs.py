"""The verbs that read an input of each kind, and their command lines."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runs import write_experiment

from faults.forked import verb
from faults.home import SMALL, Home

Work = Callable[[], int]
Command = Callable[[Path, Home], Work]
"""Work on the input at a path; called before the fork, with the folder of the input as current."""
HEARD = ("--vad", "off", "--language", "sw")


def _prepare(path: Path, home: Home) -> Work:
    return verb("prepare", path, "--language", "sw", "--out", _out(path), "--base", home.base)


def _prepare_clip(path: Path, home: Home) -> Work:
    table = path.parent / "table.csv"
    table.write_text(f"audio,text\n{path.name},habari\n", "utf-8")
    return _prepare(table, home)


def _manifest_of(path: Path, home: Home) -> Path:
    """A manifest that trains on the input, and validates on a clip that is whole."""
    shutil.copy(home.data / "validation0.wav", path.parent / "whole.wav")
    clips = {"train": (path.name, "habari", 1.0), "validation": ("whole.wav", "kwaheri", 0.5)}
    rows = [
        {"id": split, "audio": name, "text": text, "language": "sw"}
        | {"duration_s": duration_s, "split": split}
        for split, (name, text, duration_s) in clips.items()
    ]
    manifest = path.parent / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return manifest


def _check(path: Path, home: Home) -> Work:
    return verb("check", path, "--base", home.base)


def _evaluate_base(path: Path, home: Home) -> Work:
    return verb("evaluate", home.base, "--data", path, "--split", "train")


def _train_on(path: Path, home: Home) -> Work:
    experiment = write_experiment(path.parent, home.base, path, **SMALL)
    return verb("train", experiment, "--out", _out(path))


def _transcribe(path: Path, home: Home) -> Work:
    return verb("transcribe", home.base, path, *HEARD)


def _label(path: Path, home: Home) -> Work:
    return verb("label", home.base, path, "--out", _out(path), *HEARD)


def _with_words(path: Path, home: Home) -> Work:
    return verb("transcribe", home.base, home.clip, "--hotwords", path, *HEARD)


def _score_with_words(path: Path, home: Home) -> Work:
    return verb("evaluate", home.base, "--data", home.data, "--hotwords", path)


def _lm(path: Path, home: Home) -> Work:
    return verb("lm", path, "--out", _out(path), "--base", home.base)


def _with_lm(path: Path, home: Home) -> Work:
    return verb("transcribe", home.base, home.clip, "--lm", path, "--lm-weight", 0.2, *HEARD)


def _weighed(path: Path, home: Home) -> Work:
    return verb("transcribe", home.base, home.clip, "--lm", path, *HEARD)


def _score_with_lm(path: Path, home: Home) -> Work:
    return verb("evaluate", home.base, "--data", home.data, "--lm", path, "--lm-weight", 0.2)


def _score_long(path: Path, home: Home) -> Work:
    return verb("evaluate", home.base, "--data", path, "--long-form", *HEARD)


def _replay(path: Path, home: Home) -> Work:
    return _train_with(path, home, replay={"data": str(path), "share": 0.5})


def _train_in_noise(path: Path, home: Home) -> Work:
    return _train_with(path, home, augment={"noise": {"probability": 1.0, "folder": str(path)}})


def _train_in_rooms(path: Path, home: Home) -> Work:
    room = {"probability": 1.0, "folder": str(path)}
    return _train_with(path, home, augment={"reverberation": room})


def _train_with(path: Path, home: Home, **changes: Any) -> Work:
    experiment = write_experiment(path.parent, home.base, home.data, **SMALL, **changes)
    return verb("train", experiment, "--out", _out(path))


def _train(path: Path, home: Home) -> Work:
    return verb("train", path, "--out", _out(path))


def _compare(path: Path, home: Home) -> Work:
    return verb("compare", path, "--out", _out(path), "--dry-run")


def _resume(path: Path, home: Home) -> Work:
    return verb("train", home.experiment, "--out", path)


def _evaluate_run(path: Path, home: Home) -> Work:
    return verb("evaluate", path)


def _export(path: Path, home: Home) -> Work:
    return verb("export", path, "--format", "hf", "--out", _out(path))


def _report(path: Path, home: Home) -> Work:
    return verb("report", path, "--out", _out(path) / "page.html")


def _transcribe_by(path: Path, home: Home) -> Work:
    return verb("transcribe", path, home.clip, *HEARD)


def _evaluate_by(path: Path, home: Home) -> Work:
    return verb("evaluate", path, "--data", home.data)


def _train_from(path: Path, home: Home) -> Work:
    experiment = write_experiment(path.parent, path, home.data, **SMALL)
    return verb("train", experiment, "--out", _out(path))


def _out(path: Path) -> Path:
    return path.parent / "out"


VERBS: Mapping[str, Mapping[str, Command]] = {
    "audio": {
        "prepare": _prepare_clip,
        "check": lambda path, home: _check(_manifest_of(path, home), home),
        "train": lambda path, home: _train_on(_manifest_of(path, home), home),
        "evaluate": lambda path, home: _evaluate_base(_manifest_of(path, home), home),
        "transcribe": _transcribe,
        "label": _label,
    },
    "table": {"prepare": _prepare},
    "manifest": {"check": _check, "train": _train_on, "evaluate": _evaluate_base},
    "folder": {"prepare": _prepare},
    "recordings": {"transcribe": _transcribe, "label": _label},
    "experiment": {"train": _train},
    "grid": {"compare": _compare},
    "run": {
        "train": _resume,
        "evaluate": _evaluate_run,
        "export": _export,
        "report": _report,
        "transcribe": _transcribe_by,
    },
    "base": {"train": _train_from, "evaluate": _evaluate_by, "transcribe": _transcribe_by},
    "adapter": {"transcribe": _transcribe_by},
    "words": {"transcribe": _with_words, "evaluate": _score_with_words},
    "texts": {"lm": _lm},
    "lm": {"transcribe": _with_lm, "evaluate": _score_with_lm},
    "weights": {"transcribe": _weighed},
    "replay": {"train": _replay},
    "noise": {"train": _train_in_noise},
    "responses": {"train": _train_in_rooms},
    "long": {"evaluate": _score_long},
}
