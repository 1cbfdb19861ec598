"""The sandbox: clips a second of each verb that decodes in workers, beside its own process."""

import argparse
import json
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile
from children import child

from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.model.load import Base

Json = dict[str, Any]
VERBS = ("prepare", "transcribe", "report")
FORMATS = {"wav": {}, "opus": {"format": "OGG", "subtype": "OPUS"}}
CLIP_S = 5.0


def measure(options: argparse.Namespace, base: Base, folder: Path) -> Json:
    """Each verb on both sides in turn, round by round, on clips of noise."""
    rows: dict[str, dict[str, list[Json]]] = {}
    for suffix in FORMATS:
        table = _corpus(folder / suffix, suffix, options.sandbox_clips)
        for _ in range(options.rounds):
            for verb in VERBS:
                row = rows.setdefault(f"{verb}, {suffix}", {"sandbox": [], "in process": []})
                for side, replies in row.items():
                    spec = {"verb": verb, "table": str(table), "sandbox": side == "sandbox"}
                    replies.append(child("programs/sandbox.py", spec, options.threads))
    return {
        "clips": options.sandbox_clips,
        "clip_s": CLIP_S,
        "rounds": options.rounds,
        "verbs": {
            name: {side: _summary(replies) for side, replies in row.items()}
            for name, row in rows.items()
        },
    }


def _corpus(folder: Path, suffix: str, count: int) -> Path:
    """A table of so many clips of noise, each another."""
    folder.mkdir(parents=True)
    chance, records = np.random.default_rng(0), []
    for i in range(count):
        noise_N = chance.normal(0, 0.1, round(CLIP_S * SAMPLE_RATE_HZ)).clip(-1, 1)
        path = folder / f"{i}.{suffix}"
        soundfile.write(path, noise_N, SAMPLE_RATE_HZ, **FORMATS[suffix])
        records.append({"audio": path.name, "text": f"sentensi ya {i} tu"})
    table = folder / "table.jsonl"
    table.write_text("\n".join(map(json.dumps, records)))
    return table


def _summary(replies: list[Json]) -> Json:
    speeds = [each["clips"] / each["seconds"] for each in replies]
    return {
        "clips": replies[0]["clips"],
        "clips_per_s": round(median(speeds), 2),
        "clips_per_s_range": [round(min(speeds), 2), round(max(speeds), 2)],
        "processor_ms_per_clip": round(
            1e3 * median(each["processor_s"] / each["clips"] for each in replies), 2
        ),
    }
