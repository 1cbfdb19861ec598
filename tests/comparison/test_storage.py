"""Files by way of an object store: whole or as before, and nothing sent twice."""

from pathlib import Path

import pytest

from mothertongue.comparison.storage import Storage, signature
from mothertongue.errors import ConfigError


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
    assert len(list((tmp_path / "bucket/blobs").iterdir())) == 1


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


def test_a_storage_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "file", "no folder")
    with pytest.raises(ConfigError, match=r"--storage .*: cannot be written to"):
        Storage(f"file://{tmp_path}/file/bucket").check()
    with pytest.raises(ConfigError, match="expected an fsspec URL"):
        Storage("nosuch://bucket").check()
