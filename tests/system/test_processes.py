"""Processes of ours: what they import, and how long they live."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mothertongue.system import runtime
from mothertongue.system.processes import child_command

HOME = Path(__file__).parents[2]
HOSTILE = ("json", "numpy", "runpy", "soxr", "torch", "mothertongue")
PARENT = """
import subprocess, sys
from mothertongue.system.processes import child_command
child = subprocess.Popen(child_command("idle"), stdout=subprocess.PIPE)
print(child.pid, child.stdout.readline(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with modules that write down that they were imported."""
    for name in HOSTILE:
        (tmp_path / f"{name}.py").write_text("open('ran', 'a').write(__name__)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)  # a verb that ran in this process sets it
    return tmp_path


def test_nothing_is_imported_from_the_working_directory(hostile: Path) -> None:
    done = subprocess.run(
        child_command("mothertongue", "--version"), capture_output=True, check=True
    )
    assert done.stdout.startswith(b"0.")
    assert not (hostile / "ran").exists()
    unsafe = [each for each in child_command("mothertongue", "--version") if each != "-P"]
    subprocess.run(unsafe, capture_output=True, check=False)
    assert (hostile / "ran").exists()  # they would have been


def test_nor_by_processes_that_libraries_start(hostile: Path) -> None:
    environment = {**os.environ}
    runtime.set_up(environment)
    command = [sys.executable, "-c", "import json"]  # as multiprocessing and torch do
    subprocess.run(command, check=True, env=environment)
    assert not (hostile / "ran").exists()
    subprocess.run(command, check=True, env=environment | {"PYTHONSAFEPATH": ""})
    assert (hostile / "ran").exists()


def unsafe(tree: ast.AST) -> Iterator[str]:
    """The commands that give -m without -P before it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.List | ast.Tuple):
            words = [ast.unparse(each) for each in node.elts]
            for before, word in zip(["", *words], words, strict=False):
                if word == "'-m'" and before not in ("'-P'", "SAFE"):
                    yield ast.unparse(node)


def test_every_module_is_started_without_the_working_directory() -> None:
    paths = [
        path for each in ("src", "benchmarks", "tools") for path in (HOME / each).rglob("*.py")
    ]
    texts = {str(path): path.read_text(encoding="utf-8") for path in paths}
    assert len(texts) > 100
    trees = {name: ast.parse(text) for name, text in texts.items() if '"-m"' in text}
    assert {name: found for name, tree in trees.items() if (found := list(unsafe(tree)))} == {}
    assert list(unsafe(ast.parse("run([sys.executable, '-m', 'x'])")))


def test_a_child_ends_with_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "idle.py").write_text("print('ready', flush=True); input()")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline().split()[0]))
        assert child.is_running()
        parent.kill()
    _, alive = psutil.wait_procs([child], timeout=30)
    assert not alive
