"""The libraries below torch do as they are told, and a user's own choice stays."""

import os
import subprocess
import sys

import pytest

from mothertongue.system import runtime

TYPED_AND_LOADED = """
import contextlib, sys
from mothertongue import cli
sys.argv = ["", "--version"]
with contextlib.suppress(SystemExit):
    cli.main()
import torch
x = torch.ones(256, 256, dtype=torch.bfloat16)
x @ x
"""


def said(**chosen: str) -> str:
    """What the libraries print about themselves once a verb has been typed."""
    mine = {key: value for key, value in os.environ.items() if "GOMP" not in key}
    told = mine | {"OMP_DISPLAY_ENV": "VERBOSE"} | chosen
    command = [sys.executable, "-c", TYPED_AND_LOADED]
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=True)
    return done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP comes with torch on Linux only")
@pytest.mark.parametrize(
    ("chosen", "spins"),
    [
        ({}, "0"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "active"}, "30000000000"),  # GNU's own figure for it
    ],
)
def test_torchs_threads_sleep_while_they_wait(chosen: dict[str, str], spins: str) -> None:
    assert f"GOMP_SPINCOUNT = '{spins}'" in said(**chosen)


def test_the_users_own_settings_stay() -> None:
    chosen = {"GOMP_SPINCOUNT": "7", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "9", "PYTHONSAFEPATH": ""}
    chosen |= dict.fromkeys(runtime.REPORTS | runtime.QUIET, "mine")
    environment = dict(chosen)
    runtime.silence(environment)
    runtime.set_up(environment)
    assert environment == chosen


def test_whoever_imports_the_package_is_not_reported_on() -> None:
    clean = {key: value for key, value in os.environ.items() if key not in runtime.REPORTS}
    code = "import os, mothertongue; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, check=True)
    assert done.stdout == b"1\n"
