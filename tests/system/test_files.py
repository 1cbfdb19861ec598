import hashlib
import json
import os
from pathlib import Path

import pytest
import torch
from disks import leave_free, no_file_above
from safetensors.torch import save_file

from mothertongue.errors import DiskFull
from mothertongue.system.files import (
    TEMPORARY,
    TRASH,
    beside,
    folder_atomically,
    open_atomically,
    remove_folder,
    reporting_disk_full,
    sha256_file,
    sweep,
    sync_tree,
    write_json,
)


class PowerCut(BaseException):
    """Even what no `except Exception` sees."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_sha256(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "x").write_bytes(content)
    assert sha256_file(tmp_path / "x") == hashlib.sha256(content).hexdigest()


def test_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "x.txt"
    with open_atomically(path) as file:
        file.write("ሰላም\n")
        assert not path.exists()
    assert path.read_bytes() == "ሰላም\n".encode()
    assert names(path.parent) == ["x.txt"]


@pytest.mark.parametrize("error", [ValueError, PowerCut])
def test_failed_write_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(error), open_atomically(path) as file:
        file.write("new")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x.txt"]


def test_a_name_may_have_all_the_bytes_that_a_name_can_have(tmp_path: Path) -> None:
    name = "क" * 83 + ".txt"  # 253 bytes of 255
    with open_atomically(tmp_path / name) as file:
        file.write("x")
    for content in ("old", "new"):
        with folder_atomically(tmp_path / f"d{name}") as folder:
            (folder / "x").write_text(content)
    assert names(tmp_path) == [f"d{name}", name]


def test_last_of_two_writers_wins(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    with open_atomically(path) as first:
        first.write("first")
        with open_atomically(path) as second:
            second.write("second")
    assert path.read_text() == "first"
    assert names(tmp_path) == ["x.txt"]


def test_json_is_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"text": "ọ̀", "n": 1})
    assert (tmp_path / "x.json").read_text("utf-8") == '{\n  "text": "ọ̀",\n  "n": 1\n}\n'


@pytest.mark.parametrize("value", [float("nan"), {"a": object()}])
def test_value_that_json_lacks_leaves_the_old_file(tmp_path: Path, value: object) -> None:
    path = tmp_path / "x.json"
    write_json(path, "old")
    with pytest.raises((ValueError, TypeError)):
        write_json(path, value)
    assert json.loads(path.read_text()) == "old"
    assert names(tmp_path) == ["x.json"]


def test_folder_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for content in ("old", "new"):
        with folder_atomically(path) as fresh:
            (fresh / "deep").mkdir()
            (fresh / "deep" / content).write_text(content)
    assert names(path / "deep") == ["new"]
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("error", [ValueError, PowerCut])
def test_failed_folder_leaves_the_old_one(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "model"
    with folder_atomically(path) as fresh:
        (fresh / "old").touch()
    with pytest.raises(error), folder_atomically(path) as fresh:
        (fresh / "new").touch()
        raise error
    assert names(path) == ["old"]
    assert names(tmp_path) == ["model"]


def test_remove_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").touch()
    remove_folder(tmp_path / "a")
    remove_folder(tmp_path / "never was")
    assert names(tmp_path) == []


def test_sweep_removes_only_what_a_killed_process_left(tmp_path: Path) -> None:
    kept = ["model", ".trash", ".tmp", "x.json", ".tmpfile", ".trained", ".tmp-a", ".trash-b"]
    for name in kept:
        (tmp_path / name).touch()
    for mark in (TEMPORARY, TRASH):
        (tmp_path / f"{mark}mine").mkdir()
        (tmp_path / f"{mark}mine" / "notes.txt").touch()
        beside(tmp_path / "b", mark).touch()
        left = beside(tmp_path / "a", mark)
        left.mkdir()
        (left / "x").touch()
    sweep(tmp_path)
    assert names(tmp_path) == sorted([*kept, f"{TEMPORARY}mine", f"{TRASH}mine"])
    assert (tmp_path / f"{TEMPORARY}mine" / "notes.txt").is_file()


def test_sweep_leaves_links_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    beside(tmp_path / "a", TEMPORARY).symlink_to(tmp_path / "mine")
    before = names(tmp_path)
    sweep(tmp_path)
    assert names(tmp_path) == before


def test_sweep_leaves_what_is_being_written(tmp_path: Path) -> None:
    with open_atomically(tmp_path / "x.txt") as file, folder_atomically(tmp_path / "y") as fresh:
        file.write("x")
        (fresh / "y.txt").touch()
        sweep(tmp_path)
    assert names(tmp_path) == ["x.txt", "y"]


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    """safetensors makes files that only their owner may read."""
    before = os.umask(0o027)
    try:
        with folder_atomically(tmp_path / "model") as fresh:
            save_file({"x": torch.zeros(1)}, fresh / "x.safetensors")
            assert (fresh / "x.safetensors").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
    assert (tmp_path / "model").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "model/x.safetensors").stat().st_mode & 0o777 == 0o640


def test_sync_tree_takes_any_tree(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").touch()
    sync_tree(tmp_path)


def test_a_full_disk_is_one_message_with_the_path_and_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, "old")
    said = r"x.json: no room on the disk: it needs more than 8,192 bytes, \d"
    said += r"[\d,]+ are free; make room there, or write to another disk \(.*File too large\)"
    with no_file_above(8192), pytest.raises(DiskFull, match=said):
        write_json(path, "x" * 100_000)
    assert json.loads(path.read_text()) == "old"
    assert names(tmp_path) == ["x.json"]


def test_a_full_disk_is_told_by_the_name_that_the_folder_would_get(tmp_path: Path) -> None:
    said = r"model: no room on the disk: it needs more than [\d,]+ bytes, [\d,]+ are free; make "
    said += r"room there, or write to another disk \([^()]*File too large\)$"
    full = no_file_above(8192), pytest.raises(DiskFull, match=said)
    with full[0], full[1], folder_atomically(tmp_path / "model") as fresh:
        write_json(fresh / "x.json", "x" * 100_000)
    assert names(tmp_path) == []


def test_a_folder_that_finds_no_room_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_free(monkeypatch, 999)
    said = r"model: no room on the disk: it needs 1,000 bytes, 999 are free; make room there"
    with pytest.raises(DiskFull, match=said), folder_atomically(tmp_path / "model", 1000):
        raise AssertionError
    assert names(tmp_path) == []


def test_other_errors_are_no_full_disk(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), reporting_disk_full(tmp_path / "x"):
        raise PermissionError
