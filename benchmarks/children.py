"""Candidates as child processes: the peak of memory of each is its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mothertongue.system.console import console

Json = dict[str, Any]
HERE = Path(__file__).parent
ADAPTERHUB = HERE.parent / ".venv-adapterhub/bin/python"
TIMEOUT_S = 7200


def child(program: str, spec: Json, threads: int, environ: dict[str, str] | None = None) -> Any:
    """What a program of this folder replies to a request, as JSON values.

    None, said aloud, where a peer is not installed or fails; RuntimeError where ours does.
    """
    is_peer = not program.startswith("programs")
    python = str(ADAPTERHUB) if program == "peers/adapterhub.py" else sys.executable
    if not Path(python).exists():
        console.print(f"  {program}: left out; make .venv-adapterhub/ready installs it")
        return None
    settings = {
        "OMP_NUM_THREADS": str(threads),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    done = run_program(python, HERE / program, json.dumps(spec), settings | (environ or {}))
    if done.returncode != 0 and not is_peer:
        raise RuntimeError(f"{program} failed:\n{done.stderr[-3000:]}")
    if done.returncode != 0:
        console.print(f"  {program}: left out; it failed with: {done.stderr.strip()[-500:]}")
        return None
    reply = json.loads(done.stdout.splitlines()[-1])
    console.print(f"  {program} {_brief(reply)}", highlight=False)
    return reply


def run_program(
    python: str, program: Path, spec: str, environ: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run a program with an interpreter, and this process's environment with `environ` added."""
    return subprocess.run(
        [python, str(program), spec],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def _brief(reply: Json) -> str:
    if "step_s" in reply:
        return "s/step " + " ".join(f"{each:.2f}" for each in reply["step_s"][:12])
    return " ".join(f"{key} {value:.4g}" for key, value in reply.items())
