"""A comparison on two Ray nodes: whatever dies, the table is the one of this machine alone."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil
import pytest
import warm
from grids import MakeGrid, Quiet, in_process
from held import Held
from runs import PATIENCE_S
from typer.testing import CliRunner

from mothertongue.cli.app import app
from mothertongue.comparison.compare import compare
from mothertongue.comparison.jobs.task import Task
from mothertongue.errors import ConfigError
from mothertongue.system.json_files import to_json

pytest.importorskip("ray", reason="the extra `cluster` is not installed")
from cluster import different, what_counts

from mothertongue.comparison.jobs.ray_cluster import Share, TaskStatus, _options, _Running

LEASH = "mothertongue.system.processes"


@dataclass(frozen=True, slots=True)
class Driver:
    """A process of `compare`, and what it said on standard error."""

    process: ForkServerProcess
    said: Path

    def ended(self) -> tuple[int | None, str]:
        """Its exit code and its words, once it has ended."""
        self.process.join(PATIENCE_S)
        return self.process.exitcode, self.said.read_text()


Drive = Callable[[Path, Path, str], Driver]


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    """Makes each run on the nodes wait in its middle, with a checkpoint behind it."""
    return Held(tmp_path / "held", 10, monkeypatch)


@pytest.fixture
def nodes(held: Held) -> Iterator[Any]:
    """A node with a processor; a driver that comes now stays with it."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    yield cluster
    cluster.shutdown()


PRECISION = os.environ.get("MOTHERTONGUE_TEST_PRECISION", "fp32")
TRAIN = {"epochs": 4, "batch_size": 2, "precision": PRECISION, "learning_rate": 1e-3}
FULL = {"full": {"strategy": {"kind": "full"}}}
SAVED = TRAIN | {"save_every_steps": 5, "eval_every_steps": 12}


@pytest.fixture
def grid_path(make_grid: MakeGrid, tmp_path: Path) -> Path:
    """Two runs."""
    freeze = {"strategy": {"kind": "freeze", "encoder_layers": 1}}
    make_grid(train=SAVED, strategies=FULL | {"freeze": freeze}, retention={})
    return tmp_path / "grid.yaml"


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Drive]:
    """Starts one for a grid, its folder and Ray's address; none outlives the test."""
    with ExitStack() as stack:

        def start(grid: Path, out: Path, address: str) -> Driver:
            words = ["compare", grid, "--out", out, "--ray", address, "--cpus-per-run", "1"]
            said = tmp_path / f"said{len(list(tmp_path.glob('said*')))}"
            return Driver(stack.enter_context(warm.begun(*words, err=said)), said)

        yield start


def trainings(out: Path) -> list[psutil.Process]:
    """The processes of runs in a comparison's folder, each a child of a Ray worker."""
    found = []
    for each in psutil.process_iter(["cmdline"]):
        line = each.info["cmdline"] or []
        if LEASH in line and "train" in line and any(str(out) in part for part in line):
            found.append(each)
    return found


def until(is_so: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := is_so():
            return found
        time.sleep(0.1)
    raise AssertionError("waited in vain")


@pytest.mark.slow
def test_a_worker_and_a_node_die_and_the_table_is_the_same(
    nodes: Any, held: Held, driver: Drive, grid_path: Path, tmp_path: Path
) -> None:
    from mothertongue.comparison.grid import load_grid

    out = tmp_path / "cluster"
    called = driver(grid_path, out, nodes.address)
    until(held.waiting)
    second = nodes.add_node(num_cpus=1)
    until(lambda: len(held.waiting()) == 2)
    victim = trainings(out)[0]
    psutil.Process(victim.ppid()).kill()
    until(lambda: not victim.is_running())
    until(lambda: len(held.waiting()) == 2)
    nodes.remove_node(second, allow_graceful=False)
    until(lambda: len(held.waiting()) == 1)
    held.let_go()
    code, said = called.ended()
    assert code == 0, said
    assert said.count(" was lost; it continues at ") >= 2, said
    alone = compare(load_grid(grid_path, []), tmp_path / "alone", in_process, Quiet())
    ours = json.loads((out / "comparison.json").read_text())
    assert not list(different(what_counts(ours), what_counts(to_json(alone))))


@pytest.mark.slow
def test_a_driver_is_stopped_then_killed_and_called_again(
    nodes: Any, held: Held, driver: Drive, make_grid: MakeGrid, tmp_path: Path
) -> None:
    make_grid(train=SAVED, strategies=FULL, retention={})
    out, grid_path = tmp_path / "cluster", tmp_path / "grid.yaml"
    stopped = driver(grid_path, out, nodes.address)
    until(held.waiting)
    os.kill(stopped.process.pid or 0, signal.SIGINT)
    code, said = stopped.ended()
    assert code == 130, said
    assert "give the same command again to continue" in said
    assert not trainings(out)
    killed = driver(grid_path, out, nodes.address)
    (run,) = until(held.waiting)
    killed.process.kill()
    again = driver(grid_path, out, nodes.address)
    until(lambda: run not in held.waiting())
    held.let_go()
    code, said = again.ended()
    assert code == 0, said
    steps = [json.loads(p.read_text())["steps"] for p in out.glob("runs/*/record.json")]
    assert steps == [24]
    logs = "".join(path.read_text() for path in out.glob("logs/*.log"))
    assert "continuing after step" in logs
    before = (out / "comparison.json").stat().st_mtime_ns
    code, said = driver(grid_path, out, nodes.address).ended()
    assert code == 0 and "started" not in said, said
    assert (out / "comparison.json").stat().st_mtime_ns > before


def test_metrics_are_fetched_when_there_is_a_validation_and_before_a_cut(
    tmp_path: Path,
) -> None:
    seen: list[str] = []
    tasks = {name: Task(name, (), tmp_path / name) for name in ("a", "b")}
    running = _Running(dict(tasks), Quiet(), lambda names: seen.extend(f"cut {x}" for x in names))

    def hear(validations: int, cut: str) -> list[str]:
        seen.clear()
        running.handle_statuses(
            {"a": TaskStatus("here", 1, "step 1", validations)},
            lambda task: seen.append(f"fetched {task.name}"),
            lambda task: task.name == cut,
        )
        return list(seen)

    assert hear(0, cut="b") == []  # b has not begun
    assert hear(1, cut="") == ["fetched a"]
    assert hear(1, cut="") == []
    assert hear(2, cut="a") == ["fetched a", "cut a"]
    assert hear(2, cut="a") == []  # once is enough


def test_a_run_takes_a_gpu_a_device_or_a_part_of_one() -> None:
    nodes = [{"Alive": True, "Resources": {"CPU": 8.0, "GPU": 4.0}}]

    def takes(*share: Any) -> tuple[float, float]:
        options = _options(Share(*share), nodes)
        return options["num_cpus"], options["num_gpus"]

    assert takes() == (1.0, 1.0)
    assert takes(None, 0.5) == (1.0, 0.5)
    assert takes(None, None, 2) == (2.0, 2.0)
    assert takes(4.0, 0.0, 2) == (4.0, 0.0)
    with pytest.raises(ConfigError, match="expected at most 1; --devices-per-run"):
        takes(None, 2.0)
    with pytest.raises(ConfigError, match="expected 4, one a device"):
        takes(None, 0.5, 4)
    with pytest.raises(ConfigError, match="8 CPUs and 8 GPUs, but no node has as many"):
        takes(None, None, 8)


def test_ray_without_an_address_is_one_on_this_machine(
    grid_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def on_ray(address: str, *rest: object) -> None:
        asked.append(address)
        raise ConfigError("enough")

    monkeypatch.setattr("mothertongue.comparison.jobs.ray_cluster.on_ray", on_ray)
    for words in (
        ["--ray"],
        ["--ray", "--out", "here"],
        ["--ray", "reference=full"],
        ["--ray", "auto"],
        ["--ray", "10.0.0.1:6379"],
    ):
        assert CliRunner().invoke(app, ["compare", str(grid_path), *words]).exit_code != 0
    assert CliRunner().invoke(app, ["compare", "--ray", str(grid_path)]).exit_code != 0
    assert asked == ["local", "local", "local", "auto", "10.0.0.1:6379", "local"]


def test_what_cannot_be_is_refused(grid_path: Path, tmp_path: Path) -> None:
    command = ["mothertongue.cli", "compare", grid_path, "--out", tmp_path / "out"]
    nobody = warm.run(*command, "--ray", "127.0.0.1:1")
    assert nobody.returncode == 2
    assert "no Ray cluster there" in nobody.stderr
    assert "Traceback" not in nobody.stderr
    both = warm.run(*command, "--jobs", "2", "--ray", "local")
    assert both.returncode == 2
    assert "--jobs has no effect with --ray" in both.stderr
    assert os.environ.get("RAY_ADDRESS") is None
