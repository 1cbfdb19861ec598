"""Run a module that ends when the process that started it ends.

python -P -m mothertongue.system.processes PARENT MODULE [ARGUMENT...]

A process that is killed cannot stop its own children, and an orphan would hold its run's lock.
"""

import os
import runpy
import signal
import sys
import threading
import time

POLL_S = 0.5
SAFE = "-P"
"""Without it Python imports from the working directory first, where anybody's soxr.py may lie."""


def child_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module as `python -m` does and ends with this process."""
    return (
        sys.executable,
        SAFE,
        "-m",
        "mothertongue.system.processes",
        str(os.getpid()),
        module,
        *arguments,
    )


def main() -> None:
    """Run the module in this process, which ends with its parent."""
    parent, module = int(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
