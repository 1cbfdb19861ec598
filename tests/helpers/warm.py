"""Python processes that start at once: forks of a server that has the toolkit imported.

To import torch and transformers takes a processor 5 s. A test whose point is the process itself
(how it starts, its environment, what it imports) starts Python; all others that need a process of
their own take one of these. The server starts with the first of them, and ends with the tests.
"""

import importlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from runs import PATIENCE_S

PRELOADED = ["mothertongue.cli.app", "mothertongue.export.verify", "mothertongue.training.run"]
PRELOADED += ["mothertongue.comparison.jobs.ray_worker", "torch.distributed.launcher.api", "frozen"]
STREAMS = {"in": os.O_RDONLY, "out": os.O_WRONLY, "err": os.O_WRONLY}  # 0, 1 and 2


def run(
    program: object, *arguments: object, text: str = "", environ: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Call the `main` of a module, or run a file FILE.py, in a process of its own; wait for it.

    It has `text` as its standard input, this process's current folder, and its environment, with
    `environ` added.
    """
    words = [*map(str, (program, *arguments))]
    with tempfile.TemporaryDirectory() as folder:
        streams = {name: Path(folder) / name for name in STREAMS}
        for path in streams.values():
            path.write_text(text if path.name == "in" else "", "utf-8")
        process = started(_main, words, [*streams.values()], dict(environ or {}))
        process.join(PATIENCE_S)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(words, PATIENCE_S)
        out, err = (streams[name].read_text("utf-8") for name in ("out", "err"))
    return subprocess.CompletedProcess(words, process.exitcode, out, err)


@contextmanager
def begun(*words: object, err: Path = Path(os.devnull)) -> Iterator[ForkServerProcess]:
    """A verb of the command line that ends with the block at the latest.

    Of its output, standard error alone is kept, in the file `err` if one is given.
    """
    streams = [Path(os.devnull), Path(os.devnull), err]
    err.touch()
    process = started(_main, ["mothertongue.cli", *map(str, words)], streams, {})
    try:
        yield process
    finally:
        process.kill()
        process.join()


def started(work: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Return a process that does `work`, a function of a module, in this process's environment."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    here = dict(os.environ), os.getcwd()
    process = context.Process(target=_work, args=(*here, work, arguments))
    process.start()
    return process


def _work(
    environ: dict[str, str], folder: str, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    os.fsync = lambda descriptor: None  # as conftest.py has it
    multiprocessing.set_start_method(None, force=True)  # Python's own, as in any new process
    work(*arguments)


def _main(words: list[str], streams: list[Path], environ: dict[str, str]) -> None:
    for number, (path, flags) in enumerate(zip(streams, STREAMS.values(), strict=True)):
        os.dup2(os.open(path, flags), number)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)  # multiprocessing gives an empty one
    os.environ.update(environ)
    sys.argv = words
    if words[0].endswith(".py"):
        runpy.run_path(words[0], run_name="__main__")
    else:
        importlib.import_module(words[0]).main()
