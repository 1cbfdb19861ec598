"""One process at a time in a folder, on disks with flock and without; the dead hold nothing."""

import fcntl
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mothertongue.errors import MothertongueError
from mothertongue.system import locks
from mothertongue.system.locks import alone, locked

HOLD = """
import sys
from pathlib import Path
from mothertongue.system.locks import alone
with alone(Path(sys.argv[1]), Path("x"), ""):
    print("held", flush=True)
    sys.stdin.read()
"""
WITHOUT = """
import errno, fcntl
def flock(file, how):
    raise OSError(errno.ENOSYS, "Function not implemented")
fcntl.flock = flock
"""


@pytest.fixture(params=["", WITHOUT], ids=["flock", "no flock"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A disk with locks, and one without: the code that makes a process see it so."""
    monkeypatch.setattr(fcntl, "flock", fcntl.flock)  # put back at the end
    exec(request.param, {})
    return str(request.param)


def test_a_second_one_is_told_who_holds_it(disk: str, tmp_path: Path) -> None:
    with alone(tmp_path / "lock", tmp_path, ""), pytest.raises(MothertongueError) as raised:
        alone(tmp_path / "lock", Path("runs/x"), "wait for it").__enter__()
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    assert str(raised.value).startswith(f"runs/x: in use by {holder}")
    assert str(raised.value).endswith("; wait for it")
    with alone(tmp_path / "lock", tmp_path, ""), alone(tmp_path / "other", tmp_path, ""):
        pass
    assert not list(tmp_path.iterdir())


def test_a_killed_holder_lets_go(disk: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", disk + HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        with pytest.raises(MothertongueError, match=f"in use by process {holder.pid} on "):
            alone(tmp_path / "lock", tmp_path, "").__enter__()
        holder.kill()
    with alone(tmp_path / "lock", tmp_path, ""):
        pass


def test_a_fork_that_outlives_the_holder_holds_nothing(tmp_path: Path) -> None:
    """A data worker notices only after seconds that its parent was killed."""
    told = 'print("held", flush=True)'  # by the fork, which has let go by then
    code = HOLD.replace(told, f"import os; os.fork() or ({told}, sys.stdin.read(), os._exit(0))")
    command = [sys.executable, "-c", code, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        holder.kill()
        holder.wait()
        with alone(tmp_path / "lock", tmp_path, ""):  # the fork, which waits, does not hold it
            assert holder.stdin
            holder.stdin.close()


def test_one_after_the_other(disk: str, tmp_path: Path) -> None:
    inside, counts = [0], []

    def work() -> None:
        for _ in range(5):
            with locked(tmp_path / "lock"):
                inside[0] += 1
                counts.append(inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert counts == [1] * 15


@pytest.mark.parametrize("disk", [WITHOUT], indirect=True)
def test_a_holder_on_another_machine_may_be_alive(
    disk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE_S", 0)
    (tmp_path / "lock.held").write_text("process 1 on elsewhere")
    remedy = f"in use by process 1 on elsewhere .* remove {tmp_path}/lock.held"
    with pytest.raises(MothertongueError, match=remedy):
        alone(tmp_path / "lock", tmp_path, "").__enter__()
    with pytest.raises(OSError, match=remedy):
        locked(tmp_path / "lock").__enter__()


def test_a_living_holders_file_is_put_back(tmp_path: Path) -> None:
    """Two find one dead holder; the second renames what the first has made since."""
    held = tmp_path / "lock.held"
    held.write_text("the first of the two")
    locks._retire(held, "the dead one")
    assert held.read_text() == "the first of the two"
    assert list(tmp_path.iterdir()) == [held]
