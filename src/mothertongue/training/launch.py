"""One process for each device of this machine: what torchrun and `accelerate launch` start."""

import logging
import os
import signal
from collections.abc import Sequence

import torch
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from mothertongue.errors import ConfigError, Interrupted, MothertongueError, Preempted
from mothertongue.model.devices import processors
from mothertongue.system.processes import child_command
from mothertongue.training.signals import SIGNALS

SAVING_S = 600  # a checkpoint of the largest Whisper on a slow disk, before SIGKILL
CONTINUE = "give the same command again to continue"


def launch(devices: int, verb: Sequence[str]) -> None:
    """Run `mothertongue VERB` on so many devices; returns once all processes are done.

    Each says itself what is wrong with its input. Raises with the exit code of the first that
    failed, Preempted where a signal stopped or killed one of them, ConfigError for more devices
    than there are.
    """
    gpus = torch.cuda.device_count()
    most = gpus or processors()
    if devices > most:
        kind = "GPUs" if gpus else "processors"
        raise ConfigError(
            f"--devices {devices}: this process may use {most} {kind}; give at most that"
        )
    if not gpus:
        os.environ.setdefault("OMP_NUM_THREADS", str(most // devices))
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=devices,
        run_id="mothertongue",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        signals_to_handle=",".join(each.name for each in SIGNALS),
        shutdown_timeout=SAVING_S,
    )
    try:
        python, *command = child_command("mothertongue", *verb)
        elastic_launch(config, python)(*command)
    except SignalException as error:
        stopped = Interrupted if error.sigval == signal.SIGINT else Preempted
        raise stopped(f"stopped by {error.sigval.name}; {CONTINUE}") from None
    except ChildFailedError as error:
        raise _failed(*error.get_first_failure()) from None


def _failed(rank: int, failure: ProcessFailure) -> MothertongueError:
    code = failure.exitcode
    if code < 0:
        return Preempted(f"rank {rank} was killed by signal {-code}; {CONTINUE}")
    error = MothertongueError(f"rank {rank} ended with exit code {code}, see above")
    error.exit_code = code
    return error
