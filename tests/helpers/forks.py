"""Child processes that are forks and import nothing anew.

For a test of what a verb does with its child processes. How they are started otherwise, as new
processes of Python, is proven where this is not used. A process that forks has computed no gradient
yet: torch refuses to compute one in the fork. It has not run an engine with threads either.
"""

import json
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from multiprocessing.context import ForkProcess
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from torch.distributed.launcher.api import LaunchConfig

from mothertongue import cli
from mothertongue.comparison.jobs import local
from mothertongue.export import export
from mothertongue.system import processes
from mothertongue.training import launch


def main() -> None:
    """Run a verb of the console script: warm.run("forks", VERB, ...)."""
    use_forks()
    cli.main()


def use_forks() -> None:
    """Fork the runs of `compare`, the ranks of `train --devices` and the engines of `export`."""
    local.start = Child
    export.ask = ask
    launch.LaunchConfig = partial(LaunchConfig, start_method="fork")
    launch.child_command = lambda *command: (rank, *command)


def ask(module: str, request: Any, is_quiet: bool = False) -> Any:
    """Return the answer of a module to a request, as `processes.ask` does."""
    with TemporaryFile("w+") as given, TemporaryFile("w+") as said:
        given.write(json.dumps(request))
        given.seek(0)
        streams = {0: given.fileno(), 1: said.fileno()}
        process = forked(streams | ({2: said.fileno()} if is_quiet else {}), module)
        process.join()
        said.seek(0)
        text = said.read()
    if process.exitcode:
        raise processes.ChildError(text.strip().split("\n")[-1])
    return processes.answered(text)


class Child:
    """A process as `processes.start` gives it, with what is used of Popen."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output, open(os.devnull) as nothing:
            streams = {0: nothing.fileno(), 1: output.fileno(), 2: output.fileno()}
            self.process = forked(streams, *command, environment=environment)

    def poll(self) -> int | None:
        return self.process.exitcode

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def terminate(self) -> None:
        self.process.terminate()

    def wait(self) -> None:
        self.process.join()


def forked(
    streams: Mapping[int, int], *command: str, environment: Mapping[str, str] | None = None
) -> ForkProcess:
    """Start a module with its arguments; its standard streams are these open files."""
    arguments = streams, command, dict(os.environ if environment is None else environment)
    process = multiprocessing.get_context("fork").Process(target=begin, args=arguments)
    process.start()
    return process


def begin(
    streams: Mapping[int, int], command: Sequence[str], environment: Mapping[str, str]
) -> None:
    """Run a module in this process, which has a session of its own and ends with its parent."""
    os.setsid()
    for number, file in streams.items():
        os.dup2(file, number)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)  # multiprocessing gives an empty one
    os.environ.clear()
    os.environ.update(environment)
    rank(*command)


def rank(*command: str) -> None:
    """Run a module in this process, which ends with its parent."""
    sys.argv = [processes.__file__, str(os.getppid()), *command]
    processes.main()
