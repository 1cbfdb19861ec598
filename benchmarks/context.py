"""What training at cut context costs in WER, and what mixing full context in gives back.

python benchmarks/context.py DATA OUT [--seeds 0 1 2] [--arms ...] [--base ...]

Each arm is full fine-tuning with another way to choose the encoder's context; every run is decoded
at its clips' own length and at 30 s, on all that is held out (the last weights: nothing is chosen).
Called again it continues, and prints the table of what is done. The data of docs/results.md:
python tools/make_paper_base_data.py CORPORA data --train 320 --validation 60; DATA is data/sw-siro.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mothertongue.config import parse
from mothertongue.data.clips import read_split
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.evaluation.metrics import (
    PairedDifference,
    bootstrap_interval,
    paired_bootstrap,
    utterance_errors,
)
from mothertongue.evaluation.normalizers import normalizer
from mothertongue.evaluation.rates import UtteranceRow
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.inference.open_model import open_model
from mothertongue.inference.score_split import transcribe_split
from mothertongue.system.console import counting
from mothertongue.system.files import write_json
from mothertongue.system.json_files import built
from mothertongue.training.progress import training_progress
from mothertongue.training.run import run

ARMS: dict[str, dict[str, Any]] = {
    "full": {"context": "full"},
    "bucket": {"full_context_share": 0.0},
    "bucket + 5 % full": {"full_context_share": 0.05},
    "bucket + 15 % full": {"full_context_share": 0.15},
    "bucket + jitter 6 s": {"full_context_share": 0.0, "context_jitter_s": 6},
}
CONTEXTS = ("bucket", "full")
HELD_OUT = ("validation", "test")
REFERENCE = "full"

Json = dict[str, Any]


def main() -> None:
    options = parse_arguments()
    for seed in options.seeds:
        for arm in options.arms:
            run_arm(arm, seed, options)
    print(json.dumps(table(options.out), indent=2))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--base", default="openai/whisper-base")
    parser.add_argument("--language", default="sw")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=3e-5)
    return parser.parse_args()


def run_arm(arm: str, seed: int, options: argparse.Namespace) -> None:
    """Train and decode one run; what is done already is left alone."""
    slug = arm.replace(" ", "").replace("%", "pc").replace("+", "-")
    run_dir = RunDir(options.out / f"{slug}-seed{seed}")
    scores = run_dir.path / "contexts.json"
    if scores.is_file():
        return
    train = {
        "epochs": options.epochs,
        "learning_rate": options.learning_rate,
        "seed": seed,
        "eval_every_steps": 10**6,  # after the last step only
    }
    data = {
        "name": run_dir.path.name,
        "base": options.base,
        "language": options.language,
        "data": str(options.data),
        "strategy": {"kind": "full"},
        "train": train | ARMS[arm],
    }
    with training_progress() as watcher:
        record = run(parse(Experiment, data, arm), run_dir, watcher)
    facts = {key: getattr(record, key) for key in ("steps", "train_s", "environment")}
    write_json(scores, {"arm": arm, "seed": seed, **facts, "rows": decoded(run_dir, options)})


def decoded(run_dir: RunDir, options: argparse.Namespace) -> dict[str, list[UtteranceRow]]:
    """Every held-out utterance with its transcript, at each context."""
    engine = open_model(str(run_dir.path), weights="final")
    clips = [each for split in HELD_OUT for each in read_split([options.data], split, None)]
    with counting("decoding", len(CONTEXTS) * len(clips)) as advance:
        return {
            context: list(transcribe_split(engine, clips, context, DecodeConfig(), advance).rows())
            for context in CONTEXTS
        }


def table(out: Path) -> Json:
    """Per arm the WER at both contexts over all seeds, and the paired differences."""
    runs = [json.loads(path.read_text()) for path in sorted(out.glob("*/contexts.json"))]
    arms = {arm: [each for each in runs if each["arm"] == arm] for arm in ARMS}
    arms = {arm: found for arm, found in arms.items() if found}
    reference = arms.get(REFERENCE, [])
    fastest = min(mean_s(found) for found in arms.values())
    return {
        arm: {
            "seeds": [each["seed"] for each in found],
            "time": round(mean_s(found) / fastest, 2),
            "wer": {context: score(found, context) for context in CONTEXTS},
            "wer_by_seed": {
                context: [score([each], context)["wer"] for each in found] for context in CONTEXTS
            },
            "full_minus_bucket": difference(found, "bucket", found, "full"),
            "at_full_minus_reference": difference(reference, "full", found, "full"),
        }
        for arm, found in arms.items()
    }


def mean_s(runs: Sequence[Json]) -> float:
    return float(np.mean([each["train_s"] for each in runs]))


def score(runs: Sequence[Json], context: str) -> Json:
    """The WER over all seeds; the interval draws utterances, each with all of its transcripts."""
    errors, words, ids = counts(runs, context)
    return {
        "wer": round(errors.sum() / words.sum(), 4),
        "interval95": rounded(bootstrap_interval(errors, words, ids)),
    }


def difference(
    runs_a: Sequence[Json], context_a: str, runs_b: Sequence[Json], context_b: str
) -> Json | None:
    """WER of b minus WER of a, over the seeds that both have."""
    shared = {each["seed"] for each in runs_a} & {each["seed"] for each in runs_b}
    if not shared:
        return None
    errors_a, words, ids = counts([r for r in runs_a if r["seed"] in shared], context_a)
    errors_b, _, _ = counts([r for r in runs_b if r["seed"] in shared], context_b)
    found: PairedDifference = paired_bootstrap(errors_a, errors_b, words, ids)
    return {
        "seeds": sorted(shared),
        "difference": round(found.difference, 4),
        "interval95": rounded(found.interval95),
        "p": round(found.p, 3),
    }


def counts(runs: Sequence[Json], context: str) -> tuple[Any, Any, list[str]]:
    found = [row for each in sorted(runs, key=lambda r: r["seed"]) for row in each["rows"][context]]
    rows = built(found, "contexts.json", list[UtteranceRow])
    errors = utterance_errors(rows, normalizer("strict"))
    return errors.word_errors_N, errors.words_N, [row.id for row in rows]


def rounded(interval: tuple[float, float]) -> list[float]:
    return [round(float(value), 4) for value in interval]


if __name__ == "__main__":
    main()
