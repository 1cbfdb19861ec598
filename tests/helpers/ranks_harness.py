"""Several ranks, each of which runs experiments one after the other, as torchrun launches them.

usage: ranks_harness RANKS PLAN; PLAN is JSON, {"experiment": ..., "run": ...} a line. Prints,
for each rank and run, a JSON line of the losses, the validation WERs and the notes. A line may have
"kill": {"rank": 1, "step": 3}, for SIGKILL of one rank after a step, or "signal" instead of "kill";
"room": {"clips": 1, "step": 3} lets memory run out after a step, in a forward pass of more clips.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
import warm
from accelerate import PartialState
from runs import After
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from mothertongue.errors import MothertongueError
from mothertongue.experiment.config import load_experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.training.loss import LabelLoss
from mothertongue.training.run import run

FORWARD = LabelLoss.forward


def launched(ranks: int, plan: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """What each rank said of each run of a plan, by torchrun's own launcher."""
    path = folder / "plan.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in plan))
    done = warm.run("ranks_harness", ranks, path)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0 or any("kill" in each for each in plan), done.stderr
    return sorted(found, key=lambda each: each["rank"])


def main() -> None:
    """Launch as `torchrun --standalone` does, but with forks of this process as ranks.

    On a GPU the ranks start anew, because CUDA does not outlive a fork.
    """
    ranks, plan = sys.argv[1:]
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(ranks),
        run_id=str(os.getpid()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        start_method="spawn" if torch.cuda.is_available() else "fork",
    )
    elastic_launch(config, rank_of)(plan)


def limited(watcher: After, room: dict[str, int]) -> Any:
    """The forward pass of training on a device that holds so many clips."""

    def forward(
        self: LabelLoss, samples_BS: torch.Tensor, *labels: torch.Tensor, **rows: Any
    ) -> Any:
        if len(watcher.losses) >= room["step"] and len(samples_BS) > room["clips"]:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return FORWARD(self, samples_BS, *labels, **rows)

    return forward


def rank_of(plan: str) -> None:
    """One rank, from its start to its end."""
    rank = int(os.environ["RANK"])
    if torch.cuda.device_count() == 1:  # NCCL refuses two ranks on one GPU
        os.environ["LOCAL_RANK"] = "0"
        PartialState(backend="gloo")
    for line in Path(plan).read_text().splitlines():
        each = json.loads(line)
        kill, stop = each.get("kill"), each.get("signal")
        due = kill or stop or {"rank": -1, "step": 0}
        number = signal.SIGKILL if kill else signal.SIGTERM
        watcher = After(due["step"] if due["rank"] == rank else -1, number)
        LabelLoss.forward = limited(watcher, each["room"]) if "room" in each else FORWARD
        outcome = "done"
        try:
            run(load_experiment(Path(each["experiment"])), RunDir(Path(each["run"])), watcher)
        except MothertongueError as error:
            outcome = f"{type(error).__name__}: {error}"
        facts = {"losses": watcher.losses, "wers": watcher.wers, "notes": watcher.notes}
        said = json.dumps({"rank": rank, "run": each["run"], "outcome": outcome, **facts})
        os.write(1, f"{said}\n".encode())  # in one piece: the ranks share the pipe
