"""The templates for clusters, as far as they run without one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from held import Held
from runs import PATIENCE_S, save_base, save_corpus, write_experiment

from mothertongue import recipes

FOLDER = Path(recipes.__file__).parent / "cluster"
STUBS = {
    "srun": 'exec "$@"',
    "scontrol": '[ "$1" = show ] && echo localhost || echo "$@" >> "$HOME/requeued"',
    "scancel": 'for p in /proc/[0-9]*; do grep -qs "rdzv-id=$SLURM_JOB_ID" "$p/cmdline" '
    '&& kill -USR2 "${p#/proc/}"; done; true',
}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.sbatch")), ids=lambda path: path.name)
def test_scripts_are_whole(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)
    assert "export PYTHONSAFEPATH=1" in path.read_text()


def test_accelerate_reads_its_file() -> None:
    path = FOLDER / "accelerate-ddp.yaml"
    config = load_config_from_file(str(path))
    assert config.distributed_type == "MULTI_GPU"
    assert config.num_processes == yaml.safe_load(path.read_text())["num_processes"]


@pytest.mark.slow
def test_a_job_trains_saves_when_slurm_warns_and_queues_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two processes where GPUs would be, and Slurm's commands replaced by what they do."""
    for name, does in STUBS.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{does}\n")
        (tmp_path / name).chmod(0o755)
    made = save_base(tmp_path / "base"), save_corpus(tmp_path / "data")
    experiment = write_experiment(tmp_path, *made)
    held = Held(tmp_path / "held", 6, monkeypatch)
    environment = os.environ | {
        "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "SLURM_JOB_NODELIST": "localhost",
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_GPUS_ON_NODE": "2",
        "SLURM_JOB_ID": f"4{os.getpid()}",
        "SLURM_SUBMIT_DIR": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }
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
