"""Training: clips a second, peak memory and the share of the ceiling, for each strategy."""

import argparse
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from children import child
from work import experiment, flops_per_clip, make_work, plan, products, read_split, representative

from mothertongue.model.load import Base

Json = dict[str, Any]
EPOCH = 1  # what is measured; of epoch 0 the peers take one step, to warm up
NEVER = 10**6  # neither side writes checkpoints

LORA = {"kind": "lora", "preset": "peft", "rank": 32, "alpha": 64, "dropout": 0.05}
BOTTLENECK = {"kind": "bottleneck", "dim": 64}
TRAINER, ADAPTERHUB = "peers/seq2seq_trainer.py", "peers/adapterhub.py"
STRATEGIES: dict[str, tuple[Json, str]] = {
    "full": ({"kind": "full"}, TRAINER),
    "freeze 4 of 6": ({"kind": "freeze", "encoder_layers": 4}, TRAINER),
    "lora": (LORA, TRAINER),
    "bottleneck": (BOTTLENECK, ADAPTERHUB),
    "bottleneck, top 2 and decoder": (BOTTLENECK | {"encoder_top": 2}, ADAPTERHUB),
}
CACHED = ("freeze 4 of 6", "bottleneck, top 2 and decoder")


def measure(options: argparse.Namespace, base: Base, folder: Path) -> Json:
    """Each strategy and its peer in turn, round by round."""
    size = options.batch_size
    clips = representative(read_split(options.data, "train"), options.steps, size)
    warm, *_ = plan(clips, size, 0)
    steps = [warm, *plan(clips, size, EPOCH)]
    work = make_work(folder, base, clips, steps, options.language)
    spec = {
        "precision": options.precision,
        "products": products(work, base.model.config, size),
    }
    ceilings: list[float] = []
    rows: dict[str, Json] = {name: {} for name in options.only}
    for _ in range(options.rounds):
        ceilings.append(child("programs/ceiling.py", spec, options.threads)["flops_per_s"])
        for name in options.only:
            _round(name, folder, work, options, rows[name])
    ceiling = median(ceilings)
    return {
        "clips": work["clips"],
        "mean_s": work["mean_s"],
        "batch_size": size,
        "rounds": options.rounds,
        "ceiling_gflops_per_s": round(ceiling / 1e9, 1),
        "strategies": {
            name: {key: _summary(each, ceiling) for key, each in row.items()}
            for name, row in rows.items()
        },
    }


def _round(name: str, folder: Path, work: Json, options: argparse.Namespace, rows: Json) -> None:
    """The peer and ours, one after the other; what they reply is added to the rows."""
    strategy, program = STRATEGIES[name]
    train = {
        "epochs": EPOCH + 1,
        "learning_rate": 1e-5,  # the peer's
        "batch_size": options.batch_size,
        "precision": options.precision,
        "save_every_steps": NEVER,
    }

    def note(key: str, reply: Json | None, step_s: list[float], flops: float) -> None:
        if reply is None:
            return
        row = rows.setdefault(key, {"clips_per_s": [], "peak": [], "flops": flops})
        row["clips_per_s"].append(work["clips"] / sum(step_s))
        row["peak"].append(reply["peak_memory_bytes"])
        row["loss"] = reply["losses"][0]

    settings = experiment(folder, work, strategy, train)
    at_30_s = flops_per_clip(settings, work, 30)
    spec = {"work": str(folder), "strategy": strategy, "precision": options.precision}
    peer = child(program, spec | {"learning_rate": 1e-5}, options.threads)
    note("peer", peer, peer["step_s"][1:] if peer else [], at_30_s)
    # A cache of its own, so that the first epoch is one.
    with TemporaryDirectory() as cache:
        environ = {"MOTHERTONGUE_CACHE": cache}
        ours = child("programs/ours.py", {"experiment": settings}, options.threads, environ)
    half = len(ours["step_s"]) // 2
    if name in CACHED:
        # The first step warms up; one of the others stands in for it.
        first = [*ours["step_s"][1:half], median(ours["step_s"][1:half])]
        note("ours, first epoch", ours, first, flops_per_clip(settings, work))
        later = flops_per_clip(settings, work, cached=True)
        note("ours, later epochs", ours, ours["step_s"][half:], later)
        return
    note("ours", ours, ours["step_s"][half:], flops_per_clip(settings, work))
    if name == "full":
        settings = experiment(folder, work, strategy, train | {"full_context_share": 1.0})
        ours = child("programs/ours.py", {"experiment": settings}, options.threads)
        note("ours at 30 s", ours, ours["step_s"][half:], at_30_s)


def _summary(row: Json, ceiling: float) -> Json:
    speed = median(row["clips_per_s"])
    return {
        "clips_per_s": round(speed, 3),
        "clips_per_s_range": [round(min(row["clips_per_s"]), 3), round(max(row["clips_per_s"]), 3)],
        "peak_memory_bytes": max(row["peak"]),
        "gflop_per_clip": round(row["flops"] / 1e9, 1),
        "share_of_ceiling": round(speed * row["flops"] / ceiling, 3),
        "first_loss": round(row["loss"], 4),
    }
