"""A grid on two Ray nodes, one of which is killed in the middle, beside the same grid without Ray.

python benchmarks/cluster.py GRID.yaml OUT [key=value ...]

Starts two nodes with a processor each on this machine, kills one (SIGKILL to all of its processes)
once a run on it has a checkpoint and a third of the runs are done, and holds the two results
against each other: all but times and memory must be equal. Prints JSON; exit 1 where they differ.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

from mothertongue.system.environment import environment
from mothertongue.system.json_files import to_json

Json = dict[str, Any]
# `time` is the Pareto front of WER and wall_s: the clock decides which strategy is on it. Which run
# finds stored states of frozen layers (`warm_share`) depends on which came first.
TIMED = (
    *("step_s", "wall_s", "search_wall_s", "time", "warm_share", "peak_memory_bytes"),
    "environment",
)
POLL_S = 0.5


def main() -> None:
    grid, out, *overrides = sys.argv[1:]
    folders = {name: Path(out) / name for name in ("alone", "cluster")}
    command = [sys.executable, "-P", "-m", "mothertongue", "compare", grid, *overrides, "--out"]
    # As many threads as on a node of one processor.
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*command, folders["alone"], "--jobs", "2"],
        check=True,
        env=alone,
        stdout=subprocess.DEVNULL,
    )
    log = on_two_nodes(command, folders["cluster"])
    results = {name: json.loads((f / "comparison.json").read_text()) for name, f in folders.items()}
    differences = list(different(*map(what_counts, results.values())))
    lost = [line for line in log.splitlines() if " was lost; " in line]
    facts = {"runs": len(results["alone"]["curves"]), "lost": lost, "differences": differences}
    print(json.dumps({**facts, "environment": to_json(environment())}, indent=2))
    sys.exit(1 if differences or not lost else 0)


def on_two_nodes(command: list[str], out: Path) -> str:
    """What the driver said. It stays with the node that was there when it came."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    log = out.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        driver = subprocess.Popen(
            [*command, str(out), "--ray", cluster.address, "--cpus-per-run", "1"],
            stdout=subprocess.DEVNULL,
            stderr=file,
        )
        until(lambda: "started" in log.read_text(), driver)
        second = cluster.add_node(num_cpus=1)
        total = until(lambda: len(list(out.glob("experiments/*.yaml"))), driver)
        until(lambda: len(list(out.glob("runs/*/record.json"))) > total / 3, driver)
        until(lambda: in_the_middle(out), driver)
        cluster.remove_node(second, allow_graceful=False)
        driver.wait()
    cluster.shutdown()
    return log.read_text()


def in_the_middle(out: Path) -> bool:
    """Whether two runs train and one of them, at least, has a checkpoint."""
    begun = {p.parent for p in out.glob("runs/*/metrics.jsonl")}
    open_runs = [run for run in begun if not (run / "record.json").is_file()]
    return len(open_runs) == 2 and any(run.glob("checkpoints/step-*") for run in open_runs)


def until(is_so: Any, driver: "subprocess.Popen[bytes]") -> Any:
    while not (found := is_so()):
        if driver.poll() is not None:
            raise SystemExit(f"the driver ended with {driver.returncode}")
        time.sleep(POLL_S)
    return found


def what_counts(result: Any) -> Any:
    """All of a comparison but times and memory."""
    if isinstance(result, dict):
        return {key: what_counts(value) for key, value in result.items() if key not in TIMED}
    return list(map(what_counts, result)) if isinstance(result, list) else result


def different(one: Any, other: Any, at: str = "") -> Any:
    """Where two JSON values differ, as lines."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from different(one.get(key), other.get(key), f"{at}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, pair in enumerate(zip(one, other, strict=True)):
            yield from different(*pair, f"{at}[{i}]")
    elif one != other:
        yield f"{at}: {one!r}, {other!r}"


if __name__ == "__main__":
    main()
