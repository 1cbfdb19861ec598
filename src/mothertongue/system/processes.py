"""Start modules in child processes, and wait for their answers.

python -P -m mothertongue.system.processes PARENT MODULE [ARGUMENT...]

A child imports nothing from the working directory, where anybody's soxr.py may lie. It ends when
the process that started it ends: a process that is killed cannot stop its own children, and an
orphan would hold its run's lock.
"""

import json
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from mothertongue.errors import ConfigError, DataError, MothertongueError, Preempted
from mothertongue.system import runtime

BROKEN = (EOFError, OSError, UnpicklingError, multiprocessing.AuthenticationError)
"""The errors of a message whose sender died meanwhile, or before it handed over what belongs to
it."""
POLL_S = 0.5
SAFE = "-P"
"""Without it Python imports from the working directory first."""
KEPT = (
    *("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE"),
)
"""The environment variables without secrets: paths of Python and its libraries, and languages."""
KINDS = {kind.exit_code: kind for kind in (MothertongueError, ConfigError, DataError, Preempted)}
"""The error of each exit code."""


class ChildError(MothertongueError):
    """A child process ended without an answer: it was killed, or has an error of the program."""


def child_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module as `python -m` does and ends with this process."""
    parent = str(os.getpid())
    return (sys.executable, SAFE, "-m", "mothertongue.system.processes", parent, module, *arguments)


def start(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path | None = None,
    descriptors: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start a module with its arguments, and return its process.

    It has a session of its own: Ctrl-C is for its parent, which has work to finish and ends it
    afterwards. `log` is a file to which its output is appended; without one only its errors are
    shown. It inherits the open files `descriptors`.
    """
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") if log else nullcontext(subprocess.DEVNULL) as output:
        return subprocess.Popen(
            child_command(*command),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output if log else None,
            pass_fds=descriptors,
            start_new_session=True,
        )


def ask(module: str, request: Any, is_quiet: bool = False) -> Any:
    """Return the answer of a module that calls `answer` to a request, both as JSON values.

    Ctrl-C ends both processes. What the child writes to standard error is shown, unless `is_quiet`.
    Raises the error that the child's work raised, and ChildError where the child ended without an
    answer.
    """
    done = subprocess.run(
        child_command(module),
        input=json.dumps(request),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if is_quiet else None,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ChildError((done.stderr or "").strip().split("\n")[-1] or ending(done.returncode))
    return answered(done.stdout)


def answered(output: str) -> Any:
    """Return the result that `answer` wrote, or raise the error that it wrote."""
    reply = json.loads(output.splitlines()[-1])
    if "error" in reply:
        raise KINDS.get(reply["exit_code"], MothertongueError)(reply["error"])
    return reply["result"]


def answer(work: Callable[[Any], Any]) -> None:
    """Do the work for the request on standard input; write the result, or its MothertongueError."""
    try:
        reply = {"result": work(json.load(sys.stdin))}
    except MothertongueError as error:
        reply = {"error": str(error), "exit_code": error.exit_code}
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(reply))


def children() -> list[BaseProcess]:
    """Return the living processes that multiprocessing started, such as those of a DataLoader."""
    return multiprocessing.active_children()


def await_end(processes: Sequence[BaseProcess], patience_s: float) -> bool:
    """Return whether one of these processes ended, if need be after waiting for it.

    Its pipes break a little before the system tells that it ended.
    """
    by_sentinel = {each.sentinel: each for each in processes}
    ended = wait(list(by_sentinel), patience_s)
    for sentinel in by_sentinel.keys() & set(ended):
        by_sentinel[sentinel].join()
    return bool(ended)


def ending(code: int) -> str:
    """Return the name of the signal that ended a process, such as SIGKILL, or its exit code."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without anything that could be a key, for reading untrusted data."""
    return {name: environment[name] for name in KEPT if name in environment}


def main() -> None:
    """Run the module in this process, which ends with its parent."""
    parent, module = int(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    runtime.set_up(os.environ)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:  # the parent has it too, and says so
        sys.exit(130)


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
