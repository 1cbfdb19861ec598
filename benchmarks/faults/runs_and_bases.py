"""Runs, bases and adapters of which one file is damaged, foreign, or says the impossible."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from faults.home import Home
from faults.inputs import BAD_DATA, BAD_USE, Input, Write

Change = Callable[[Path], object]
READERS = {
    "experiment.yaml": ("evaluate", "export", "transcribe"),
    "identity.json": ("evaluate",),
    "record.json": ("train", "export", "report"),
    "metrics.jsonl": ("report",),
    "eval/test.json": ("report",),
    "best/MANIFEST.json": ("evaluate", "export", "transcribe"),
    "best/trained.safetensors": ("evaluate", "export", "transcribe"),
}
"""Files of a finished run, and verbs that cannot do without each."""
EXCEPTIONS = {
    # Without its record a run is not finished yet, and is finished then.
    "record-missing": {"train": 0},
    # What is no run may be a model, and its files are looked for.
    "experiment-missing": {"transcribe": BAD_DATA},
    "experiment-folder": {"transcribe": BAD_DATA},
}
BASES = {"adapter-base-missing": "nowhere", "adapter-base-number": "base model 7"}
"""The part of the message that names an adapter's base that is not there."""
OPTIONAL = ("eval/test.json", "metrics.jsonl")  # a run without them is a run


def inputs() -> Iterator[Input]:
    """Every one of them."""
    for file, verbs in READERS.items():
        for how, change in _damages(file).items():
            if how in ("missing", "folder") and file in OPTIONAL:
                continue
            name, write = f"{Path(file).stem}-{how}", _run_with(file, change)
            # A folder without a good experiment is no run: what was asked for is at fault.
            code = BAD_USE if file == "experiment.yaml" else BAD_DATA
            yield Input("run", name, write, code, EXCEPTIONS.get(name, {}), only=verbs)
    for name, write in _bases().items():
        yield Input("base", name, write)
    for name, write in _adapters().items():
        yield Input("adapter", name, write, names=BASES.get(name, name))


def _damages(file: str) -> dict[str, Change]:
    found: dict[str, Change] = {
        "missing": lambda path: path.unlink(),
        "empty": lambda path: path.write_bytes(b""),
        "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        "binary": lambda path: path.write_bytes(b"\xff\xfe\x00\x80" * 50),
        "folder": _as_folder,
    }
    if file.endswith((".json", ".jsonl")):
        found |= {
            "list": lambda path: path.write_text("[]\n"),
            "null": lambda path: path.write_text("null\n"),
            "other": lambda path: path.write_text('{"colour": "red"}\n'),
            "deep": lambda path: path.write_text("[" * 100_000),
        }
    return found


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _run_with(file: str, change: Change) -> Write:
    """A finished run with scores, one file of which is changed."""

    def write(path: Path, home: Home) -> None:
        shutil.copytree(home.run, path)
        change(path / file)

    return write


def _bases() -> dict[str, Write]:
    files = ("config.json", "tokenizer.json", "model.safetensors")
    damaged = {
        f"{Path(file).stem}-{how}": _base_with(file, change)
        for file in files
        for how, change in _damages(file).items()
    }
    changed = {f"config-{key}": _config_with(**facts) for key, facts in _impossible().items()}
    generation = {
        f"generation-{how}": _base_with("generation_config.json", change)
        for how, change in _damages("generation_config.json").items()
        if how not in ("missing", "other")  # it has defaults
    }
    others: dict[str, Write] = {
        "missing": lambda path, home: None,
        "empty": lambda path, home: path.mkdir(),
        "words.pt": lambda path, home: path.write_text("habari"),
        "pickle.pt": lambda path, home: path.write_bytes(b"cos\nsystem\n(S'true'\ntR."),
        "nothing.pt": lambda path, home: path.write_bytes(b""),
        "header-huge": _base_with("model.safetensors", _header_huge),
        "adapter-inside": _adapter_inside,
        "code-inside": _config_with(auto_map={"AutoModel": "evil.Evil"}),
    }
    return damaged | changed | generation | others


def _impossible() -> dict[str, dict[str, Any]]:
    return {
        "width-0": {"d_model": 0},
        "width-text": {"d_model": "32"},
        "width-other": {"d_model": 48},
        "heads-0": {"encoder_attention_heads": 0},
        "heads-odd": {"encoder_attention_heads": 5},
        "layers-text": {"encoder_layers": "2"},
        "layers-negative": {"encoder_layers": -1},
        "layers-million": {"encoder_layers": 1_000_000},
        "layers-more": {"decoder_layers": 3},
        "vocabulary-null": {"vocab_size": None},
        "vocabulary-other": {"vocab_size": 99},
        "vocabulary-huge": {"vocab_size": 10**12},
        "mels-0": {"num_mel_bins": 0},
        "mels-7": {"num_mel_bins": 7},
        "padding-huge": {"pad_token_id": 10**9},
        "positions-huge": {"max_source_positions": 10**12},
        "dtype-other": {"dtype": "float99"},
        "activation-other": {"activation_function": "magic"},
        "type-other": {"model_type": "bert"},
        "type-number": {"model_type": 7},
    }


def _base_with(file: str, change: Change) -> Write:
    def write(path: Path, home: Home) -> None:
        shutil.copytree(home.base, path)
        change(path / file)

    return write


def _config_with(**facts: Any) -> Write:
    def change(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | facts), "utf-8")

    return _base_with("config.json", change)


def _header_huge(path: Path) -> None:
    path.write_bytes((2**62).to_bytes(8, "little") + path.read_bytes()[8:])


def _adapter_inside(path: Path, home: Home) -> None:
    shutil.copytree(home.base, path)
    (path / "adapter_config.json").write_text(json.dumps(_adapter(home)), "utf-8")


def _adapter(home: Home) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "base_model_name_or_path": str(home.base),
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj", "v_proj"],
    }


def _adapters() -> dict[str, Write]:
    def with_facts(**facts: Any) -> Write:
        def write(path: Path, home: Home) -> None:
            path.mkdir()
            kept = {k: v for k, v in (_adapter(home) | facts).items() if v != "leave out"}
            (path / "adapter_config.json").write_text(json.dumps(kept), "utf-8")
            (path / "adapter_model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")

        return write

    def with_text(text: str) -> Write:
        def write(path: Path, home: Home) -> None:
            path.mkdir()
            (path / "adapter_config.json").write_text(text, "utf-8")

        return write

    return {
        "adapter-empty": with_text(""),
        "adapter-list": with_text("[]"),
        "adapter-words": with_text("habari"),
        "adapter-deep": with_text("[" * 100_000),
        "adapter-no-kind": with_facts(peft_type="leave out"),
        "adapter-other-kind": with_facts(peft_type="MAGIC"),
        "adapter-kind-number": with_facts(peft_type=7),
        "adapter-no-base": with_facts(base_model_name_or_path="leave out"),
        "adapter-base-missing": with_facts(base_model_name_or_path="./nowhere"),
        "adapter-base-number": with_facts(base_model_name_or_path=7),
        "adapter-rank-text": with_facts(r="four"),
        "adapter-rank-0": with_facts(r=0),
        "adapter-alpha-text": with_facts(lora_alpha="eight"),
        "adapter-no-tensors": with_facts(),
        "bottleneck-no-layers": with_facts(peft_type="BOTTLENECK"),
    }
