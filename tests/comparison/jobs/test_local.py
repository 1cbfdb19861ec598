"""Child processes: all that can run do, failures are told, a stop reaches them."""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from grids import MakeGrid, Quiet, in_process

from mothertongue.comparison.compare import compare
from mothertongue.comparison.jobs.local import run_all, slots
from mothertongue.comparison.jobs.task import IsCut, Task, TaskWatcher, last_word, never
from mothertongue.errors import ConfigError, MothertongueError, Preempted


@pytest.fixture(autouse=True)
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let children find the modules that `task` writes."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))


def task(folder: Path, name: str, code: str) -> Task:
    (folder / f"task_{name}.py").write_text(code, encoding="utf-8")
    return Task(name, (f"task_{name}",), folder / f"{name}.log")


def test_all_tasks_run_and_what_they_say_is_kept(tmp_path: Path) -> None:
    tasks = [task(tmp_path, name, f"print('{name} was here')") for name in "abc"]
    watcher = Quiet()
    run_all([{}, {}], tasks, watcher)
    assert sorted(watcher.done) == ["a", "b", "c"]
    assert tasks[2].log.read_text() == "c was here\n"


def test_a_failure_stops_no_other_and_is_told_with_its_last_words(tmp_path: Path) -> None:
    tasks = [task(tmp_path, "bad", "print('why'); raise SystemExit(3)")]
    tasks.append(task(tmp_path, "good", "print('fine')"))
    watcher = Quiet()
    with pytest.raises(MothertongueError, match=r"1 tasks failed.*\n  bad \(log: .*\n    why$"):
        run_all([{}], tasks, watcher)
    assert watcher.done == ["bad", "good"]


def test_each_place_has_its_environment(tmp_path: Path) -> None:
    tasks = [task(tmp_path, "a", "import os; print(os.environ['PLACE'])")]
    run_all([{"PLACE": "7"}], tasks, Quiet())
    assert tasks[0].log.read_text() == "7\n"


def test_a_stop_reaches_the_children_and_waits_for_them(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "def leave(*_): print('saved', flush=True); sys.exit(75)\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    tasks = [task(tmp_path, "a", code), task(tmp_path, "never", "print('no')")]

    def stop_when_ready() -> None:
        while not (tasks[0].log.is_file() and tasks[0].log.read_text() == "ready\n"):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_when_ready, daemon=True).start()
    with pytest.raises(Preempted, match="give the same command again to continue"):
        run_all([{}], tasks, Quiet())
    assert tasks[0].log.read_text() == "ready\nsaved\n"
    assert not tasks[1].log.exists()


def test_places_are_shares_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mothertongue.comparison.jobs.local.processors", lambda: 8)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert slots(None) == [{}]
    assert slots(4) == [{"OMP_NUM_THREADS": "2"}] * 4
    assert slots(2, devices=4) == [{"OMP_NUM_THREADS": "1"}] * 2
    with pytest.raises(ConfigError, match="this process may use 8 processors; give less"):
        slots(9)


def test_places_are_gpus_where_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert slots(None) == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]
    assert slots(None, devices=2) == [{"CUDA_VISIBLE_DEVICES": "0,1"}]
    with pytest.raises(ConfigError, match="2 GPUs"):
        slots(3)
    with pytest.raises(
        ConfigError, match="--jobs 2 of 2 devices each: this process may use 2 GPUs"
    ):
        slots(2, devices=2)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("2,3", ["2", "3"]),
        ("GPU-8b1f, GPU-77c0", ["GPU-8b1f", "GPU-77c0"]),
        ("5,1,-1,0", ["5", "1"]),  # CUDA stops at the first that is none
    ],
)
def test_gpus_that_the_user_hid_stay_hidden(
    visible: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [place["CUDA_VISIBLE_DEVICES"] for place in slots(None)] == expected
    assert slots(1, devices=2) == [{"CUDA_VISIBLE_DEVICES": ",".join(expected)}]


def test_each_run_of_a_comparison_has_its_devices(make_grid: MakeGrid, tmp_path: Path) -> None:
    """Only how it is told: tests/training/test_distributed.py trains on two."""
    grid = make_grid(strategies={"full": {"strategy": {"kind": "full"}}}, retention={})
    commands: list[tuple[str, ...]] = []

    def run_some(tasks: Sequence[Task], watcher: TaskWatcher, is_cut: IsCut = never) -> None:
        commands.extend(task.command for task in tasks)
        in_process(tasks, watcher, is_cut)

    compare(grid, tmp_path / "out", run_some, Quiet(), devices=2)
    training, *others = commands
    assert training[:4] == ("mothertongue", "train", "--devices", "2")
    assert others and not any("--devices" in each for each in others)


def test_the_last_word_is_the_last_whole_line_of_the_metrics(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.jsonl"
    a = Task("a", (), tmp_path / "log", metrics)
    assert last_word(a) == ""
    metrics.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "validation_wer": 0.5}\n')
    assert last_word(a) == "step 2, validation_wer 0.500"
    metrics.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "va')
    assert last_word(a) == ""
