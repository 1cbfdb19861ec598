"""Files by way of an object store: whole or as before, and nothing sent twice."""

import json
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
import warm
from held import Held
from ray_worker import NEWS, works
from runs import PATIENCE_S, Silent, save_base, save_corpus, write_experiment

from mothertongue.comparison.jobs.object_store import Storage, signature
from mothertongue.comparison.jobs.ray_worker import Place
from mothertongue.comparison.jobs.task import Task
from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment.config import load_experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.system.files import sha256_file
from mothertongue.training.run import run


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    made = Storage(f"file://{tmp_path}/bucket")
    made.check()
    return made


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def tree(path: Path) -> dict[str, str]:
    return {name: (path / name).read_text() for name in signature(path)}


def test_a_folder_goes_to_another_node_as_it_is(storage: Storage, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write(here / "runs/a/metrics.jsonl", "1")
    write(here / "runs/a/checkpoints/step-1/trained.safetensors", "weights")
    write(here / "runs/a/lock", "process 1")
    write(here / "runs/a/.tmp-best-1/half", "half")
    storage.push(here / "runs/a", here)
    storage.pull(there / "runs/a", there)
    assert tree(there / "runs/a") == {
        "metrics.jsonl": "1",
        "checkpoints/step-1/trained.safetensors": "weights",
    }
    storage.pull(tmp_path / "driver/runs/a", tmp_path / "driver", without="checkpoints")
    assert tree(tmp_path / "driver/runs/a") == {"metrics.jsonl": "1"}


def test_what_another_node_did_since_replaces_what_is_here(
    storage: Storage, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write(here / "a/checkpoints/step-1/trained.safetensors", "one")
    storage.push(here / "a", here)
    storage.pull(there / "a", there)
    (there / "a/checkpoints/step-1").rename(there / "a/checkpoints/step-2")
    write(there / "a/checkpoints/step-2/trained.safetensors", "two")
    storage.push(there / "a", there)
    storage.pull(here / "a", here)
    assert tree(here / "a") == {"checkpoints/step-2/trained.safetensors": "two"}
    assert not (here / "a/checkpoints/step-1").exists()
    assert len(list((tmp_path / "bucket/a/files").iterdir())) == 1


def test_a_file_alone(storage: Storage, tmp_path: Path) -> None:
    write(tmp_path / "here/eval/test.json", "{}")
    storage.push(tmp_path / "here/eval/test.json", tmp_path / "here")
    storage.pull(tmp_path / "there/eval/test.json", tmp_path / "there")
    assert (tmp_path / "there/eval/test.json").read_text() == "{}"


def test_what_was_never_kept_stays(storage: Storage, tmp_path: Path) -> None:
    mine = write(tmp_path / "here/a/x", "mine")
    storage.push(tmp_path / "here/none", tmp_path / "here")
    storage.pull(tmp_path / "here/a", tmp_path / "here")
    assert mine.read_text() == "mine"


def test_a_killed_push_leaves_what_was_kept_before(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write(here / "a/x.json", "old")
    storage.push(here / "a", here)
    write(here / "a/x.json", "new")
    write(here / "a/y.json", "newer")
    fs, _ = storage._open()
    put, calls = type(fs).put_file, []

    def dies(self: object, *args: str, **options: str) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise OSError("killed")
        put(self, *args, **options)

    monkeypatch.setattr(type(fs), "put_file", dies)
    with pytest.raises(OSError, match="killed"):
        storage.push(here / "a", here)
    storage.pull(there / "a", there)
    assert tree(there / "a") == {"x.json": "old"}


def test_half_a_file_is_sent_again_and_a_damaged_one_is_told(
    storage: Storage, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write(here / "a/x.json", "whole")
    storage.push(here / "a", here)
    (kept,) = (tmp_path / "bucket/a/files").iterdir()
    kept.write_text("wh")
    storage.push(here / "a", here)
    assert kept.read_text() == "whole"
    kept.write_text("false")
    with pytest.raises(DataError, match=r"a/x.json does not match its SHA-256"):
        storage.pull(there / "a", there)
    assert not tree(there / "a")


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "a/../../outside.txt"])
def test_no_name_leads_out_of_the_folder(name: str, storage: Storage, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write(here / "a/x.json", "{}")
    storage.push(here / "a", here)
    kept = tmp_path / "bucket/a/tree.json"
    kept.write_text(json.dumps({name: json.loads(kept.read_text())["x.json"]}))
    with pytest.raises(DataError, match=r"a/tree.json is damaged, or leads out of its folder"):
        storage.pull(there / "a", there)
    assert not there.exists()


@pytest.mark.parametrize("content", ["{", "[]", '["x"]', '{"x": 1}', '{"x": "../y"}', "\xff"])
def test_a_damaged_list_of_files_is_told(content: str, storage: Storage, tmp_path: Path) -> None:
    write(tmp_path / "here/a/x.json", "{}")
    storage.push(tmp_path / "here/a", tmp_path / "here")
    (tmp_path / "bucket/a/tree.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=r"a/tree.json is damaged"):
        storage.pull(tmp_path / "there/a", tmp_path / "there")


def test_a_storage_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "file", "no folder")
    with pytest.raises(ConfigError, match=r"--storage .*: cannot be written to"):
        Storage(f"file://{tmp_path}/file/bucket").check()
    with pytest.raises(ConfigError, match="expected an fsspec URL"):
        Storage("nosuch://bucket").check()


@pytest.mark.slow
def test_a_run_moves_to_a_node_that_has_none_of_its_files(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data")
    path = write_experiment(tmp_path, base, data, eval_every_steps=3)
    run(load_experiment(path), RunDir(tmp_path / "whole"), Silent())
    driver, out = tmp_path / "driver", Path("out")
    experiment = write(driver / out / "experiments/tiny.yaml", path.read_text())
    storage.push(experiment, driver / out)
    run_dir = RunDir(out / "runs/tiny")
    inputs = out / "experiments/tiny.yaml"
    command = ("mothertongue", "train", str(inputs), "--out")
    task = Task(
        "tiny",
        (*command, str(run_dir.path)),
        out / "logs/tiny.log",
        run_dir.metrics,
        (inputs, run_dir.path),
    )
    held = Held(tmp_path / "held", 6, monkeypatch)
    first = warm.started(works, task, Place(str(tmp_path / "a"), 1, out, storage))
    kept = tmp_path / "bucket/runs/tiny/tree.json"
    until(lambda: kept.is_file() and "checkpoints/step-" in kept.read_text(), first)
    until(held.waiting, first)
    first.kill()
    first.join()
    second = warm.started(works, task, Place(str(tmp_path / "b"), 1, out, storage))
    until(lambda: told(tmp_path / "b") == 2, second)
    # The validations, for halving: those that were told of can be read by then.
    storage.pull(driver / run_dir.metrics, driver / out)
    assert (driver / run_dir.metrics).read_text().count("validation_wer") == 2
    held.let_go()
    second.join(PATIENCE_S)
    assert second.exitcode == 0
    assert "continuing after step 3" in (tmp_path / "b/out/logs/tiny.log").read_text()
    storage.pull(driver / run_dir.path, driver / out, without="checkpoints")
    for name in ("final/trained.safetensors", "best/trained.safetensors", "metrics.jsonl"):
        assert sha256_file(driver / run_dir.path / name) == sha256_file(tmp_path / "whole" / name)
    assert not (driver / run_dir.path / "checkpoints").exists()
    files = {path.name for path in (tmp_path / "bucket/runs/tiny/files").iterdir()}
    assert files == set(json.loads(kept.read_text()).values())


def until(is_so: Callable[[], Any], process: ForkServerProcess) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.05)


def told(node: Path) -> int:
    """The number of validations that a worker told of last."""
    news = node / NEWS
    lines = news.read_text().splitlines() if news.is_file() else []
    return int(json.loads(lines[-1])[-1]) if lines else 0
