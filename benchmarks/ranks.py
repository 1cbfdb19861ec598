"""The same run in one process and in two: how far their losses are apart, for each strategy.

python benchmarks/ranks.py EXPERIMENT.yaml OUT [key=value ...]

The experiment's strategy is replaced by each of the five in turn. Prints JSON: of every strategy
the steps, the largest relative difference of a loss, the validation WERs of both, and the seconds
of training of two processes over those of one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mothertongue.records import environment

Json = dict[str, Any]
STRATEGIES = {
    "full": ["strategy.kind=full", "train.learning_rate=3e-5"],
    "freeze": ["strategy.kind=freeze", "strategy.encoder_layers=2", "train.learning_rate=3e-5"],
    "reinit": ["strategy.kind=reinit", "strategy.encoder_layers=1", "train.learning_rate=3e-5"],
    "bottleneck": ["strategy.kind=bottleneck", "strategy.dim=64", "train.learning_rate=1e-3"],
    "lora": ["strategy.kind=lora", "strategy.rank=32", "train.learning_rate=1e-3"],
}


def main() -> None:
    experiment, out, *overrides = sys.argv[1:]
    rows = {name: beside(experiment, Path(out) / name, overrides, name) for name in STRATEGIES}
    print(json.dumps({"strategies": rows, "environment": environment()}, indent=2))


def beside(experiment: str, out: Path, overrides: list[str], strategy: str) -> Json:
    """The run with one process and with two, each process with one thread."""
    lines, records = [], []
    for devices in ("1", "2"):
        folder = out / devices
        settings = [*STRATEGIES[strategy], "train.validation_clips=all", *overrides]
        command = [sys.executable, "-m", "mothertongue", "train", experiment, *settings]
        command += ["--out", str(folder), "--devices", devices]
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, env=one_thread, stdout=subprocess.DEVNULL)
        lines.append(list(map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())))
        records.append(json.loads((folder / "record.json").read_text()))
    losses = [[each["loss"] for each in found if "loss" in each] for found in lines]
    wers = [[e["validation_wer"] for e in found if "validation_wer" in e] for found in lines]
    pairs = list(zip(*losses, strict=True))
    return {
        "steps": len(pairs),
        "first_loss": pairs[0],
        "last_loss": pairs[-1],
        "largest_relative_difference": max(abs(a - b) / a for a, b in pairs),
        "validation_wers": wers,
        "two_over_one_train_s": records[1]["train_s"] / records[0]["train_s"],
    }


if __name__ == "__main__":
    main()
