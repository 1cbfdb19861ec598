"""Workers and the process that started them."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from bad_decoders import write_bad
from runs import PATIENCE_S

from mothertongue.data.sandbox.bounds import Bounds
from mothertongue.data.sandbox.process import Worker, WorkerError

PARENT = """
import sys
from pathlib import Path
from mothertongue.data.audio.decoders import Span
from mothertongue.data.sandbox.pool import Sandbox
sandbox = Sandbox("bad_decoders")
list(sandbox.answers(Span(Path(sys.argv[1]))))
print(sandbox.idle[0].process.pid, flush=True)
list(sandbox.answers(Span(Path(sys.argv[2]))))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_worker_that_hangs_ends_with_its_parent(
    bad_task: str, tmp_path: Path, number: signal.Signals
) -> None:
    good, bad = (str(write_bad(tmp_path / what, what)) for what in ("nothing", "hang"))
    command = [sys.executable, "-c", PARENT, good, bad]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(number)
        parent.wait(PATIENCE_S)
        worker.wait(PATIENCE_S)
    assert not worker.is_running()


def test_a_task_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    worker = Worker("mothertongue.data.sandbox.nothing", Bounds())
    with pytest.raises(WorkerError, match="could be started"):
        worker.wait_until_ready()
    assert "No module named" in capfd.readouterr().err
