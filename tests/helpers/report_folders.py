"""Folders of a comparison and of runs as they lie on disk, made in milliseconds, for pages."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from clips import tone, write_clip
from comparison_results import ENVIRONMENT, comparison
from known_corpus import spoken

from mothertongue.comparison.clips import ClipSet, clip_set
from mothertongue.data.manifest import Utterance, data_digest, write_manifest
from mothertongue.evaluation.rates import UtteranceRow
from mothertongue.experiment.run_dir import CLIPS, COMPARISON, RunDir
from mothertongue.system.files import write_json

Json = dict[str, Any]
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "</script><script>alert(3)</script>",
    "<!--<script>alert(4)",
    "'-alert(5)-'",
    "javascript:alert(6)",
    "{{7*7}}{% raw %}",
    "${alert(8)}",
    "<svg onload=alert(9)>",
    "]]><![CDATA[<b>",
    "&lt;script&gt;alert(11)&lt;/script&gt;",
    "\u202ealert(12)\u202c",
    "<iframe src=http://example.com>",
    "<link rel=stylesheet href=//example.com/x.css>",
    "<base href=//example.com>",
    "<meta http-equiv=refresh content=0;url=//example.com>",
    "=HYPERLINK(1)",
    "\\u003cscript\\u003ealert(18)",
    "\u2028alert(19)\u2029",
    "<style>@import '//example.com'</style>",
)
HOSTILE = tuple(each for text in HOSTILE for each in (text, text.upper(), f"é{text} a"))
"""60 of them."""
NAMES_AS_KEYS = ("languages", "also", "sets", "settings", "rejected", "notes", "packages")
NO_TEXT = (
    "normalizer",
    "split",
    "measure",
    "drawn",
    "chosen_on",
    "protocol",
    "runs",
    "run",
    "audio",
    "unit",
    "split_by",
    "language_source",
)


def hostile(text: str) -> str:
    """One of HOSTILE with the text, the same for equal texts."""
    return HOSTILE[sum(map(ord, text)) % len(HOSTILE)] + text


def poisoned(value: Any, key: str = "") -> Any:
    """The same record with hostile text wherever a corpus or a user may put text."""
    if isinstance(value, str):
        return value if key in NO_TEXT else hostile(value)
    if isinstance(value, list):
        if key == "pieces":
            return [[kind, *map(hostile, texts)] for kind, *texts in value]
        return [poisoned(each, key) for each in value]
    if isinstance(value, dict):
        named = key in NAMES_AS_KEYS
        return {hostile(k) if named else k: poisoned(each, k) for k, each in value.items()}
    return value


def save_tested(folder: Path) -> Path:
    """A manifest with the clips of SPOKEN, each a tone of its own."""
    clips = []
    for i, each in enumerate(spoken()):
        write_clip(folder / f"{i}.wav", tone(each.duration_s, hertz=200 + 50 * i))
        clips.append(
            Utterance(each.id, f"{i}.wav", each.reference, "sw", each.duration_s, split="test")
        )
    write_manifest(folder / "manifest.jsonl", clips)
    return folder


def comparison_folder(folder: Path, **changes: Any) -> Path:
    """The comparison of comparison_results.py with all that a page reads of it."""
    result = comparison(**changes)
    manifest = save_tested(folder / "data")
    for language, found in result["languages"].items():
        for row in found["strategies"]:
            for name in row["runs"]:
                finished_run(folder / "runs" / name, language)
    systems = ["base", "full", "freeze", "lora"]
    sets = [clip_set("sw", "test", [manifest], {name: spoken() for name in systems}, "wer")]
    write_json(folder / CLIPS, sets)
    write_json(folder / COMPARISON, result)
    (folder / "grid.yaml").write_text("name: first\n", encoding="utf-8")
    return folder


def run_record(**settings: Any) -> Json:
    """What record.json says of a run of 300 steps with these settings."""
    experiment: Json = {
        "name": "a",
        "base": "openai/whisper-base",
        "language": "sw",
        "data": "data",
        "select_on": "validation",
        "strategy": {"kind": "full"},
        "train": {"seed": 0},
    } | settings
    return {
        "experiment": experiment,
        "base_digest": "b" * 64,
        "stopped_early": False,
        "best_validation_cer": 0.1,
        "best_validation_cer_interval95": [0.05, 0.15],
        "best_validation_loss": 1.5,
        "micro_batch_size": 16,
        "last_wall_s": 100.0,
        "devices": 1,
        "trainable_parameters": 60_000_000,
        "parameters": 72_593_920,
        "steps": 300,
        "best_step": 200,
        "selected_on": "validation",
        "best_validation_wer": 0.2,
        "best_validation_interval95": [0.15, 0.25],
        "train_s": 90.0,
        "validate_s": 10.0,
        "peak_memory_bytes": 2_000_000_000,
        "device": "cpu",
        "environment": ENVIRONMENT,
    }


def finished_run(
    folder: Path, language: str = "sw", kind: str = "full", seed: int = 0, **settings: Any
) -> Path:
    """A run that is done: its record, its settings, and a curve of 300 steps."""
    run_dir = RunDir(folder)
    where = {"name": folder.name, "data": str(folder.parent / "data")}
    chosen = {"language": language, "strategy": {"kind": kind}, "train": {"seed": seed}}
    write_json(run_dir.record, run_record(**(where | chosen | settings)))
    data = folder.parent / "data"
    digest = data_digest([data]) if data.is_dir() else "d" * 64
    write_json(run_dir.identity, {"base_digest": "b" * 64, "manifest_sha256": digest})
    run_dir.experiment.write_text(f"name: {folder.name}\n", encoding="utf-8")
    lines: list[Json] = [
        {"step": i, "loss": float(3 * np.exp(-i / 80)), "learning_rate": 1e-5 * (1 - i / 301)}
        for i in range(1, 301)
    ]
    for step, wer in ((100, 0.3), (200, 0.2), (300, 0.22)):
        interval = [wer - 0.05, wer + 0.05]
        found = {"validation_wer": wer, "validation_interval95": interval}
        found |= {"validation_cer": wer / 2, "validation_cer_interval95": interval}
        lines.append({"step": step, **found})
    run_dir.metrics.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    run_dir.best.mkdir(parents=True, exist_ok=True)
    (run_dir.best / "trained.safetensors").write_bytes(b"x" * 1000)
    return folder


def score_run(
    folder: Path, name: str, rows: list[UtteranceRow], digest: str = "d", **facts: Json
) -> None:
    """Let a run have scores on a test set."""
    record = {"model": str(folder), "data_digest": digest, "split": "test", "scores": {}}
    record |= {"decoding": {}, "environment": ENVIRONMENT, "utterances": rows}
    write_json(RunDir(folder).evaluation(name), record | facts)


def many_clips(count: int, systems: int = 3) -> ClipSet:
    """A test set of synthetic rows without sound."""
    random = np.random.default_rng(0)
    said_N9 = random.integers(400, size=(count, 9))
    rows: list[list[UtteranceRow]] = []
    for _ in range(systems):
        is_wrong_N9 = random.random((count, 9)) < 0.2
        heard_N9 = np.where(is_wrong_N9, random.integers(400, size=(count, 9)), said_N9)
        rows.append(
            [
                replace(
                    spoken()[0],
                    id=f"clip{i:05}",
                    reference=" ".join(f"neno{word}" for word in said_N9[i]),
                    hypothesis=" ".join(f"neno{word}" for word in heard_N9[i]),
                    speaker=f"speaker{i % 25}",
                    duration_s=1.0 + i % 20,
                )
                for i in range(count)
            ]
        )
    names = ["base", "full", "freeze"][:systems]
    return clip_set("sw", "test", [], dict(zip(names, rows, strict=True)), "wer")


def analysis() -> Json:
    """Return the analysis of a run by full tuning and of one by freezing."""
    states = [
        {"state": name, "cka": band, "svcca": band, "pwcca": band}
        for name, value in (("stem", 1.0), ("layer 1", 0.97), ("layer 2", 0.8))
        for band in [{"mean": value, "min": value - 0.01, "max": value, "values": []}]
    ]
    half = {
        "n_rows": 9,
        "width": 4,
        "minibatches": 1,
        "states": states,
        "heatmap": [[1.0, 0.5, 0.2], [0.5, 0.97, 0.3], [0.2, 0.3, 0.8]],
    }
    groups = [
        {"group": f"sw-{kind}", "strategy": {"kind": kind}, "encoder": half, "decoder": None}
        | {"freeze_encoder_layers": 2, "first_below": 2, "language": "sw"}
        | {"runs": [], "train_seeds": [], "data": [], "utterances": []}
        | {"n_utterances": 3, "n_usable": 3, "n_unusable": 0}
        for kind in ("full", "freeze")
    ]
    return {
        **{"base": "b", "base_digest": "d", "runs": [], "split": "validation", "n_asked": 3},
        **{"seed": 0, "context": "full", "threshold": 0.95, "precision": "fp32"},
        **{"minibatch_rows": 3, "groups": groups, "environment": ENVIRONMENT},
    }
