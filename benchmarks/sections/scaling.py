"""How cost grows: with the length of clips, with the size of the model, with the number of clips.

On clips of noise and random weights: what a step costs does not depend on either.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile
from children import child
from transformers import WhisperForConditionalGeneration
from work import experiment, make_work, plan

from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.data.manifest import Utterance, write_manifest
from mothertongue.model.load import Base
from mothertongue.model.sizes import known_config
from mothertongue.system.files import write_json

Json = dict[str, Any]
FULL = {"kind": "full"}
LENGTHS_S, PEER_LENGTHS_S = (2, 6, 12, 20, 30), (2, 30)
SHAPES = ("openai/whisper-tiny", "openai/whisper-base", "openai/whisper-small")
COUNTS = (100, 1_000, 10_000)
BATCH_SIZE, USUAL_S = 4, 6
NEVER = 10**6  # neither side writes checkpoints
# Epochs of a single step each; the first warms up.
TRAIN = {"batch_size": BATCH_SIZE, "epochs": 4, "learning_rate": 1e-5, "save_every_steps": NEVER}
WORD, WORDS_PER_S = "habari", 2.0


def measure(options: argparse.Namespace, base: Base, folder: Path) -> Json:
    """Seconds a step for each, ours and the peer's."""
    train = TRAIN | {"precision": options.precision}
    lengths, sizes, counts = {}, {}, {}
    for seconds in LENGTHS_S:
        place = folder / f"{seconds}s"
        lengths[seconds] = _pair(place, base, seconds, train, options, seconds in PEER_LENGTHS_S)
    for shape in SHAPES:
        place = folder / shape.rpartition("/")[2]
        sizes[shape] = _pair(place, random_base(base, shape), USUAL_S, train, options, True)
    for count in COUNTS:
        counts[count] = _many(folder / f"{count}", base, count, train, options)
    return {
        "batch_size": BATCH_SIZE,
        "clip_length_s": lengths,
        "model": {"clip_s": USUAL_S, **sizes},
        "clips": {"clip_s": USUAL_S, **counts},
    }


def random_base(base: Base, shape: str) -> Base:
    """A known Whisper's shape with random weights, and the tokenizer of another."""
    config = known_config(shape)
    assert config is not None, f"no shape is known as {shape}"
    model = WhisperForConditionalGeneration(config)
    model.generation_config = base.model.generation_config
    return replace(base, model=model)


def _pair(
    folder: Path,
    base: Base,
    seconds: float,
    train: Json,
    options: argparse.Namespace,
    has_peer: bool,
) -> Json:
    clips = _noise(folder, seconds, [f"{i}" for i in range(BATCH_SIZE)], options.language)
    steps = [step for epoch in range(3) for step in plan(clips, BATCH_SIZE, epoch)]
    work = make_work(folder, base, clips, steps, options.language)
    request = {"experiment": experiment(folder, work, FULL, train)}
    ours = child("programs/ours.py", request, options.threads)
    found = {"ours_s": round(median(ours["step_s"][1:]), 3), "ours_bytes": _peak(ours)}
    if has_peer:
        spec = {"work": str(folder), "strategy": FULL, "learning_rate": 1e-5}
        spec["precision"] = train["precision"]
        peer = child("peers/seq2seq_trainer.py", spec, options.threads)
        found |= {"peer_s": round(median(peer["step_s"][1:]), 3), "peer_bytes": _peak(peer)}
    return found


def _many(folder: Path, base: Base, count: int, train: Json, options: argparse.Namespace) -> Json:
    """Before the first step and a step, where so many clips are to be planned and read."""
    clips = _noise(folder, USUAL_S, [f"{i}" for i in range(count)], options.language)
    work = make_work(folder, base, clips[:1], [], options.language)
    write_manifest(folder / "data" / "manifest.jsonl", clips)
    write_json(folder / "plan.json", work)
    settings = experiment(folder, work, FULL, train)
    request = {"experiment": settings, "stop_after": 4}
    ours = child("programs/ours.py", request, options.threads)
    return {
        "start_s": round(ours["overhead_s"], 2),
        "step_s": round(median(ours["step_s"][1:]), 3),
        "bytes": _peak(ours),
    }


def _peak(reply: Json) -> int:
    return int(reply["peak_memory_bytes"])


def _noise(folder: Path, seconds: float, ids: Sequence[str], language: str) -> list[Utterance]:
    """Clips of one file of noise, each under an id of its own."""
    path = folder / "noise.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    noise_N = np.random.default_rng(0).normal(0, 0.1, round(seconds * SAMPLE_RATE_HZ))
    soundfile.write(path, noise_N.clip(-1, 1), SAMPLE_RATE_HZ)
    text = " ".join([WORD] * math.ceil(WORDS_PER_S * seconds))
    return [Utterance(each, str(path), text, language, float(seconds)) for each in ids]
