"""What many languages and many hours would take, derived from what this machine measures.

python benchmarks/scale.py EXPERIMENT.yaml [--languages 100 --hours 10000] [--clips 100000]

Measures the plan of the experiment (one device), and what a manifest, its labels and the plan of an
epoch cost a clip; multiplies. Prints JSON: `measured`, then `derived` from it and nothing else.
"""

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import psutil

from mothertongue.data.manifest import Utterance, data_digest, read_data, write_manifest
from mothertongue.experiment.config import Experiment, load_experiment
from mothertongue.experiment.defaults import settled
from mothertongue.experiment.train_config import BatchSize
from mothertongue.model.context import context_s
from mothertongue.model.load import load_base
from mothertongue.system.environment import environment
from mothertongue.system.json_files import to_json
from mothertongue.training.bucketing import plan_epoch
from mothertongue.training.plan_probe import plan

Json = dict[str, Any]
T = TypeVar("T")
YEAR_S = 365 * 86400


def main() -> None:
    arguments = parse_arguments()
    experiment = settled(load_experiment(arguments.experiment))
    real = [each for each in read_data(experiment.manifests) if each.split == "train"]
    planned = plan(experiment)
    measured = {
        "experiment": experiment.model_dump(mode="json"),
        "device": f"{planned.device}, one process",
        "clip_s": planned.audio_s / planned.clips,
        "audio_bytes_per_s": audio_bytes(real) / planned.audio_s,
        "train_audio_s_per_s": planned.audio_s / planned.last_epoch_s,
        "first_epoch_audio_s_per_s": planned.audio_s / planned.first_epoch_s,
        "validation_clip_s": planned.validation_split_s / max(1, validation_clips(experiment)),
        "peak_memory_bytes": planned.peak_memory_bytes,
        "checkpoints_bytes": planned.disk_bytes,
        "prefix_bytes_per_audio_s": planned.prefix_cache_bytes / planned.audio_s,
        **data_costs(experiment, real, arguments.clips),
    }
    derived = at_scale(measured, arguments.languages, arguments.hours, experiment.train.num_epochs)
    print(
        json.dumps(
            {"measured": measured, "derived": derived, "environment": to_json(environment())}
        )
    )


def data_costs(experiment: Experiment, real: list[Utterance], count: int) -> Json:
    """What a manifest of so many clips costs a clip, at each place where all of it is read."""
    chance = random.Random(0)
    clips = [
        Utterance(f"{i:09}", each.audio, each.text, each.language, each.duration_s)
        for i, each in enumerate(chance.choices(real, k=count))
    ]
    tokens = load_base(experiment.base).tokens
    with TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.jsonl"
        write_manifest(path, clips)
        size = path.stat().st_size
        digest_s, _ = timed(lambda: data_digest([path]))
        before = psutil.Process().memory_info().rss
        read_s, held = timed(lambda: read_data([path]))
        label_s, labels = timed(lambda: [tokens.label(each.text, each.language) for each in held])
        memory = psutil.Process().memory_info().rss - before
    contexts = [context_s(each.duration_s, "bucket") for each in held]
    size_of_batch = BatchSize(experiment.train.batch_size)
    plan_s, _ = timed(lambda: plan_epoch(range(count), contexts, size_of_batch, seed=0, epoch=0))
    return {
        "clips": count,
        "label_tokens_per_clip": sum(map(len, labels)) / count,
        "manifest_bytes_per_clip": size / count,
        "memory_bytes_per_clip": memory / count,
        "open_s_per_clip": (digest_s + read_s + label_s) / count,
        "plan_s_per_clip": plan_s / count,
    }


def at_scale(measured: Json, languages: int, hours: int, epochs: int) -> Json:
    """Every line a product of measured figures and of what was asked for."""
    audio_s = 3600.0 * languages * hours
    clips = audio_s / measured["clip_s"]
    device_s = epochs * audio_s / measured["train_audio_s_per_s"]
    return {
        "languages": languages,
        "hours_each": hours,
        "epochs": epochs,
        "clips": clips,
        "audio_bytes": audio_s * measured["audio_bytes_per_s"],
        "manifest_bytes": clips * measured["manifest_bytes_per_clip"],
        "memory_of_each_process_bytes": clips * measured["memory_bytes_per_clip"],
        "start_of_each_process_s": clips * measured["open_s_per_clip"],
        "plan_of_each_epoch_s": clips * measured["plan_s_per_clip"],
        "prefix_cache_bytes": audio_s * measured["prefix_bytes_per_audio_s"],
        "checkpoints_bytes_one_run": measured["checkpoints_bytes"],
        "checkpoints_bytes_a_run_a_language": languages * measured["checkpoints_bytes"],
        "device_years": device_s / YEAR_S,
        "times_faster_for_a_month_on_64": device_s / (64 * 30 * 86400),
    }


def validation_clips(experiment: Experiment) -> int:
    return sum(each.split == "validation" for each in read_data(experiment.manifests))


def audio_bytes(clips: list[Utterance]) -> int:
    return sum(path.stat().st_size for path in {Path(each.audio) for each in clips})


def timed(function: Callable[[], T]) -> tuple[float, T]:
    began = time.monotonic()
    value = function()
    return time.monotonic() - began, value


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--languages", type=int, default=100)
    parser.add_argument("--hours", type=int, default=10_000)
    parser.add_argument("--clips", type=int, default=100_000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
