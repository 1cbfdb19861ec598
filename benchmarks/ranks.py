"""The same run in one process and in two, whole or sharded: how far their losses are apart.

python benchmarks/ranks.py EXPERIMENT.yaml OUT [key=value ...]

The experiment's strategy is replaced by each of the five in turn. Prints JSON: of every strategy,
and of two processes that each hold all that trains (DDP) or a part of it (ZeRO's stages 2 and 3),
the largest relative difference of a loss to that of one process, the validation WERs, the seconds
of training over those of one process, and the main process's peak of memory.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mothertongue.system.environment import environment
from mothertongue.system.json_files import to_json

Json = dict[str, Any]
STRATEGIES = {
    "full": ["strategy.kind=full", "train.learning_rate=3e-5"],
    "freeze": ["strategy.kind=freeze", "strategy.encoder_layers=2", "train.learning_rate=3e-5"],
    "reinit": ["strategy.kind=reinit", "strategy.encoder_layers=1", "train.learning_rate=3e-5"],
    "bottleneck": ["strategy.kind=bottleneck", "strategy.dim=64", "train.learning_rate=1e-3"],
    "lora": ["strategy.kind=lora", "strategy.rank=32", "train.learning_rate=1e-3"],
}
WAYS = {
    "one": ["--devices", "1"],
    "ddp": ["--devices", "2"],
    "zero2": ["--devices", "2", "train.zero=2"],
    "zero3": ["--devices", "2", "train.zero=3"],
}


def main() -> None:
    experiment, out, *overrides = sys.argv[1:]
    rows = {name: beside(experiment, Path(out) / name, overrides, name) for name in STRATEGIES}
    print(json.dumps({"strategies": rows, "environment": to_json(environment())}, indent=2))


def beside(experiment: str, out: Path, overrides: list[str], strategy: str) -> Json:
    """The run in each of the ways, each process with one thread."""
    settings = [*STRATEGIES[strategy], "train.validation_clips=all", *overrides]
    one, *others = (trained(experiment, out / name, [*settings, *WAYS[name]]) for name in WAYS)
    return {
        "steps": len(one["losses"]),
        "first_loss": one["losses"][0],
        "last_loss": one["losses"][-1],
        "validation_wers": one["wers"],
        "peak_memory_gb": one["peak_memory_gb"],
        **{name: compared(other, one) for name, other in zip([*WAYS][1:], others, strict=True)},
    }


def trained(experiment: str, folder: Path, settings: list[str]) -> Json:
    """What a run wrote down."""
    command = [sys.executable, "-P", "-m", "mothertongue", "train", experiment, *settings]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    command += ["--out", str(folder)]
    subprocess.run(command, check=True, env=one_thread, stdout=subprocess.DEVNULL)
    lines = list(map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()))
    record = json.loads((folder / "record.json").read_text())
    return {
        "losses": [each["loss"] for each in lines if "loss" in each],
        "wers": [each["validation_wer"] for each in lines if "validation_wer" in each],
        "train_s": record["train_s"],
        "peak_memory_gb": record["peak_memory_bytes"] / 1e9,
    }


def compared(two: Json, one: Json) -> Json:
    """Two processes beside one."""
    pairs = zip(one["losses"], two["losses"], strict=True)
    return {
        "largest_relative_difference": max(abs(a - b) / a for a, b in pairs),
        "has_equal_wers": two["wers"] == one["wers"],
        "over_one_train_s": two["train_s"] / one["train_s"],
        "peak_memory_gb": two["peak_memory_gb"],
    }


if __name__ == "__main__":
    main()
