"""Processes of ours: what they import, and how long they live."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from runs import PATIENCE_S

from mothertongue.errors import ConfigError, DataError
from mothertongue.system import runtime
from mothertongue.system.processes import (
    ChildError,
    ask,
    child_command,
    start,
    without_secrets,
)

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


def starters(tree: ast.AST) -> Iterator[str]:
    """The imports and calls that start processes."""
    for node in ast.walk(tree):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        yield from (name for name in names if name in ("subprocess", "multiprocessing"))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("concurrent.futures"):
            yield from (each.name for each in node.names if each.name == "ProcessPoolExecutor")
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.fork", "os.posix_spawn"):
            yield ast.unparse(node)


def test_one_module_starts_the_processes() -> None:
    package = HOME / "src/mothertongue"
    trees = {
        str(path.relative_to(package)): ast.parse(path.read_text(encoding="utf-8"))
        for path in package.rglob("*.py")
    }
    found = {name: names for name, tree in trees.items() if (names := list(starters(tree)))}
    # The runner of a comparison names the type of what it waits for.
    assert found == {
        "comparison/jobs/local.py": ["subprocess"],
        "system/processes.py": ["multiprocessing", "subprocess"],
    }


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Return a function that makes a module of a text, which child processes can import."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))

    def make(text: str) -> str:
        (tmp_path / "child.py").write_text(f"{IMPORTS}\n{text}", "utf-8")
        return "child"

    return make


IMPORTS = """
import os, signal, sys
from mothertongue.errors import ConfigError, Fault
from mothertongue.system.processes import answer
def work(request):
    print("a library's own words")
    print("and its warnings", file=sys.stderr)
    if request == "refuse": raise ConfigError("give another\\nfor two reasons")
    if request == "fault": raise Fault("AUD-EMPTY", "a.wav: no sound", "record it again")
    if request == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if request == "bug": raise TypeError("of the program")
    return {"heard": request}
"""


def test_a_child_answers_a_request(children: Callable[[str], str]) -> None:
    child = children("answer(work)")
    assert ask(child, ["é", 1.5]) == {"heard": ["é", 1.5]}


@pytest.mark.parametrize(
    ("request_", "kind", "message"),
    [
        ("refuse", ConfigError, "give another\nfor two reasons"),
        ("fault", DataError, "AUD-EMPTY: a.wav: no sound; record it again"),
        ("kill", ChildError, "SIGKILL"),
        ("bug", ChildError, "TypeError: of the program"),
    ],
)
def test_an_error_of_a_child_is_one_of_its_parent(
    children: Callable[[str], str],
    capfd: pytest.CaptureFixture[str],
    request_: str,
    kind: type[Exception],
    message: str,
) -> None:
    child = children("answer(work)")
    with pytest.raises(kind) as caught:
        ask(child, request_, is_quiet=request_ == "bug")
    assert (type(caught.value), str(caught.value)) == (kind, message)
    assert ("warnings" in capfd.readouterr().err) == (request_ != "bug")


def test_the_output_of_a_child_is_appended_to_its_log(
    children: Callable[[str], str], tmp_path: Path
) -> None:
    log = tmp_path / "logs/child.log"
    environment = {**os.environ, "WORD": "new"}
    for _ in range(2):
        child = children("print(os.environ['WORD'], *sys.argv[1:], os.getsid(0) == os.getpid())")
        assert start([child, "a"], environment, log).wait() == 0
    assert log.read_text("utf-8") == "new a True\n" * 2


def test_an_environment_without_secrets_has_what_python_needs() -> None:
    given = {"PYTHONPATH": "src", "PATH": "/bin", "HF_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    assert without_secrets(given) == {"PYTHONPATH": "src", "PATH": "/bin"}


def test_a_child_ends_with_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "idle.py").write_text("print('ready', flush=True); input()")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        child = psutil.Process(int(parent.stdout.readline().split()[0]))
        assert child.is_running()
        parent.kill()
    _, alive = psutil.wait_procs([child], timeout=PATIENCE_S)
    assert not alive


def test_a_child_that_ctrl_c_meets_while_it_imports_ends_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imports_for_long.py").write_text("raise KeyboardInterrupt")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    command = child_command("imports_for_long")
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr) == (130, "")
