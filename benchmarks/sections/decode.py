"""Decoding: clips a second of greedy decoding over the test split, and the WER of each engine."""

import argparse
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from children import child
from work import read_split, save_base

from mothertongue.data.manifest import write_manifest
from mothertongue.experiment.load import load_run
from mothertongue.model.ctranslate2_writer import write_ctranslate2
from mothertongue.model.load import Base

Json = dict[str, Any]
DECODERS: dict[str, tuple[str, str]] = {
    "transformers generate, 30 s": ("peers/generate.py", "full"),
    "faster-whisper, 30 s": ("peers/faster_whisper_pipeline.py", "full"),
    "mothertongue in torch, 30 s": ("programs/decode.py torch", "full"),
    "mothertongue in CTranslate2, 30 s": ("programs/decode.py ctranslate2", "full"),
    "mothertongue in torch, cut": ("programs/decode.py torch", "bucket"),
    "mothertongue in CTranslate2, cut": ("programs/decode.py ctranslate2", "bucket"),
}


def measure(options: argparse.Namespace, base: Base, folder: Path) -> Json:
    """Every engine in turn, round by round, on the same weights."""
    model = _tuned(options.model) if options.model else base
    save_base(model, folder / "base")
    write_ctranslate2(model.model, model.tokens, folder / "ctranslate2")
    clips = read_split(options.data, "test")
    write_manifest(folder / "data" / "manifest.jsonl", clips)
    replies: dict[str, list[Json]] = {name: [] for name in DECODERS}
    for _ in range(options.rounds):
        for name, (program, context) in DECODERS.items():
            program, _, engine = program.partition(" ")
            spec = {
                "work": str(folder),
                "engine": engine,
                "context": context,
                "precision": options.precision,
                "language": options.language,
                "batch_size": options.decode_batch_size,
            }
            if reply := child(program, spec, options.threads):
                replies[name].append(reply)
    return {
        "clips": len(clips),
        "is_tuned": options.model is not None,
        "rounds": options.rounds,
        "engines": {name: _summary(given) for name, given in replies.items() if given},
    }


def _tuned(run: str) -> Base:
    tuned = load_run(Path(run))
    return replace(tuned.base, model=tuned.experiment.strategy.merge(tuned.base.model))


def _summary(replies: list[Json]) -> Json:
    speeds = [each["clips"] / each["seconds"] for each in replies]
    return {
        "clips_per_s": round(median(speeds), 3),
        "clips_per_s_range": [round(min(speeds), 3), round(max(speeds), 3)],
        "wer": round(replies[0]["wer"], 4),
        "peak_memory_bytes": max(each["peak_memory_bytes"] for each in replies),
    }
