"""The templates for clusters, as far as they run without one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from held import Held
from runs import PATIENCE_S, save_base, save_corpus, write_experiment

from mothertongue import recipes

FOLDER = Path(recipes.__file__).parent / "cluster"
TORCHRUN_PORT = 29500  # where torchrun meets if nobody says where
STUBS = {
    "srun": '#!/bin/bash\nexec "$@"\n',
    "scontrol": '#!/bin/bash\n[ "$1" = show ] && echo localhost || echo "$@" >> "$HOME/requeued"\n',
    "scancel": "#!/bin/bash\n"
    'for p in /proc/[0-9]*; do grep -qs "rdzv-id=$SLURM_JOB_ID" "$p/cmdline" '
    '&& kill -USR2 "${p#/proc/}"; done; true\n',
}
BINDS = """
import socket, sys

endpoint = next(each for each in sys.argv if each.startswith("--rdzv-endpoint=")).partition("=")[2]
socket.socket().bind(("", int(endpoint.rpartition(":")[2])))
print(endpoint)
"""


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.sbatch")), ids=lambda path: path.name)
def test_scripts_are_whole(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)
    assert "export PYTHONSAFEPATH=1" in path.read_text()


def test_accelerate_reads_its_file() -> None:
    path = FOLDER / "accelerate-ddp.yaml"
    config = load_config_from_file(str(path))
    assert config.distributed_type == "MULTI_GPU"
    assert config.num_processes == yaml.safe_load(path.read_text())["num_processes"]


def slurm(folder: Path, stubs: Mapping[str, str]) -> dict[str, str]:
    """The environment of a job of one node and two processes, with stubs for Slurm's commands."""
    for name, script in stubs.items():
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    return os.environ | {
        "PATH": f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "SLURM_JOB_NODELIST": "localhost",
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_GPUS_ON_NODE": "2",
        "SLURM_JOB_ID": f"4{os.getpid()}",
        "SLURM_SUBMIT_DIR": str(folder),
        "OMP_NUM_THREADS": "1",
    }


def test_a_job_meets_at_a_port_that_is_free(tmp_path: Path) -> None:
    """Two jobs may share their first node; with one port, one would meet at the other's store."""
    environment = slurm(tmp_path, STUBS | {"srun": f"#!{sys.executable}\n{BINDS}"})
    with socket.socket() as taken:
        with suppress(OSError):  # then another process has taken it
            taken.bind(("", TORCHRUN_PORT))
        command = ["bash", str(FOLDER / "train.sbatch"), "experiment.yaml"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("localhost:")


@pytest.mark.slow
def test_a_job_trains_saves_when_slurm_warns_and_queues_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two processes where GPUs would be, and Slurm's commands replaced by what they do."""
    made = save_base(tmp_path / "base"), save_corpus(tmp_path / "data")
    experiment = write_experiment(tmp_path, *made)
    held = Held(tmp_path / "held", 6, monkeypatch)
    environment = slurm(tmp_path, STUBS)
    command = [
        "bash",
        str(FOLDER / "train.sbatch"),
        str(experiment),
        "--out",
        str(tmp_path / "run"),
    ]
    job = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE_S
    while not held.waiting():
        assert time.monotonic() < deadline and job.poll() is None
        time.sleep(0.05)
    job.send_signal(signal.SIGUSR2)
    _, said = job.communicate(timeout=PATIENCE_S)
    assert job.returncode == 0, said
    assert (tmp_path / "requeued").read_text().split()[0] == "requeue"
    held.let_go()
    again = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert again.returncode == 0, again.stderr
    assert "continuing after step" in again.stderr
    assert json.loads((tmp_path / "run/record.json").read_text())["devices"] == 2
