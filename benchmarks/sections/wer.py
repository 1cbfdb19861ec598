"""Training time until the peer's final validation WER; both are decoded at 30 s by one decoder."""

import argparse
from pathlib import Path
from typing import Any

from children import child
from work import experiment, make_work, plan, read_split

from mothertongue.model.load import Base

Json = dict[str, Any]
FULL = {"kind": "full"}
VALIDATIONS_PER_EPOCH = 2
NEVER = 10**6  # neither side writes checkpoints
# Two ways to lose nothing at 30 s (docs/results.md); the first is the default.
CONTEXTS: dict[str, Json] = {
    "15 % of the steps at 30 s": {"full_context_share": 0.15},
    "contexts up to 6 s longer": {"context_jitter_s": 6},
}


def measure(options: argparse.Namespace, base: Base, folder: Path) -> Json:
    """The peer's curve, and ours over twice as many epochs, for it is the time that counts."""
    train = read_split(options.data, "train")[: options.train_clips]
    validation = read_split(options.data, "validation")
    steps = [step for i in range(options.epochs) for step in plan(train, options.batch_size, i)]
    work = make_work(folder, base, [*train, *validation], steps, options.language)
    every = max(1, len(steps) // (VALIDATIONS_PER_EPOCH * options.epochs))
    spec = {
        "work": str(folder),
        "strategy": FULL,
        "precision": options.precision,
        "learning_rate": options.learning_rate,
        "warmup_ratio": 0.1,
        "validate_every": every,
    }
    peer = child("peers/seq2seq_trainer.py", spec, options.threads)
    target = peer["validations"][-1]["wer"]
    found: Json = {
        "clips": len(train),
        "validation_clips": len(validation),
        "learning_rate": options.learning_rate,
        "peer": {"epochs": options.epochs} | _curve(peer),
        "ours": [],
    }
    for way, context in CONTEXTS.items():
        settings = experiment(
            folder,
            work,
            FULL,
            context
            | {
                "epochs": 2 * options.epochs,
                "batch_size": options.batch_size,
                "precision": options.precision,
                "learning_rate": options.learning_rate,
                "eval_every_steps": every,
                "validation_clips": "all",
                "save_every_steps": NEVER,
            },
        )
        request = {"experiment": settings, "validated": str(folder)}
        curve = _curve(child("programs/ours.py", request, options.threads))
        reached = [each["train_s"] for each in curve["validations"] if each["wer"] <= target]
        found["ours"].append({"way": way, "reached_s": min(reached, default=None)} | curve)
    return found


def _curve(reply: Json) -> Json:
    return {"train_s": sum(reply["step_s"]), "validations": reply["validations"]}
