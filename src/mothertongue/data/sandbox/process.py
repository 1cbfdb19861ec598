"""A worker process, from the side of the process that sends it files."""

import json
import os
import signal
import socket
from collections.abc import Generator
from dataclasses import asdict

from mothertongue.data.audio.decoders import Span
from mothertongue.data.audio.file import EXPORT_AGAIN
from mothertongue.data.audio.load import SAMPLE_RATE_HZ, AudioError
from mothertongue.data.sandbox.bounds import Bounds
from mothertongue.data.sandbox.channel import Answer, read_answer, send_file
from mothertongue.errors import MothertongueError
from mothertongue.system.processes import ending, start, without_secrets

START_S = 60.0
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    # glibc else gives memory back after each clip, and page faults take longer than decoding.
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
}


class WorkerError(MothertongueError):
    """A worker could not be started."""


class Worker:
    """A process that decodes one file after the other.

    It starts at once; `wait_until_ready` and the first file wait for it.
    """

    def __init__(self, task: str, bounds: Bounds) -> None:
        self.bounds = bounds
        self.is_ready = self.is_busy = False
        self.channel, theirs = socket.socketpair()
        self.answers_of = self.channel.makefile("rb")
        with theirs:
            arguments = str(theirs.fileno()), task, json.dumps(asdict(bounds))
            self.process = start(
                ("mothertongue.data.sandbox.worker", *arguments),
                without_secrets(os.environ) | SETTINGS,
                descriptors=[theirs.fileno()],
            )

    @property
    def is_idle(self) -> bool:
        """Return whether it is alive and has finished its last file."""
        return not self.is_busy and self.process.poll() is None

    def wait_until_ready(self) -> None:
        """Wait until it can take a file. Raises WorkerError if it cannot be started."""
        if self.is_ready:
            return
        self.channel.settimeout(START_S)
        try:
            read_answer(self.answers_of, 0)
        except (EOFError, OSError, ValueError):
            self.kill()
            raise WorkerError(
                "no process that decodes audio could be started; its message is above"
            ) from None
        self.is_ready = True
        self.channel.settimeout(self.bounds.wait_s)

    def answers(self, span: Span) -> Generator[Answer]:
        """Yield the results of the task for the file `span.descriptor`.

        Raises AudioError for what is wrong with it: AUD-COSTLY where it takes too much, AUD-CORRUPT
        where the worker dies of it, and what the task raises. A worker that is not idle then, or
        when the generator is closed, is of no more use.
        """
        self.wait_until_ready()
        self.is_busy = True
        try:
            yield from self._answers(span)
        except TimeoutError:
            raise costly(span, f"no sound within {self.bounds.wait_s:g} s") from None
        except (EOFError, OSError):
            raise self._death(span) from None
        except AudioError:
            raise
        except (ValueError, TypeError, KeyError, RecursionError):
            raise corrupt(span, "its decoder gave an answer that is none") from None

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()
        self.answers_of.close()
        self.channel.close()

    def _answers(self, span: Span) -> Generator[Answer]:
        assert span.descriptor is not None
        asked = {
            "path": str(span.path),
            "start_s": span.start_s,
            "duration_s": span.duration_s,
            "max_duration_s": span.max_duration_s,
        }
        send_file(self.channel, asked, span.descriptor)
        # A worker may have been taken over by its file, and then send for ever.
        left = SAMPLE_RATE_HZ * span.max_duration_s + 1
        message, arrays = read_answer(self.answers_of, left)
        while "found" in message:
            yield message["found"], arrays
            left -= sum(map(len, arrays))
            message, arrays = read_answer(self.answers_of, left)
        self.is_busy = False
        if message["fault"] is not None:
            raise AudioError(*map(str, message["fault"]))

    def _death(self, span: Span) -> AudioError:
        self.process.kill()  # it may have closed its end and live on
        code = self.process.wait()
        if code == -signal.SIGXCPU:
            return costly(span, f"{self.bounds.processor_s:g} s of processor time were not enough")
        return corrupt(span, f"its decoder crashed ({ending(code)})")


def costly(span: Span, reason: str) -> AudioError:
    """Return the error for a file that takes too much time or memory."""
    return AudioError("AUD-COSTLY", f"{span.path}: too costly to decode, {reason}", EXPORT_AGAIN)


def corrupt(span: Span, reason: str) -> AudioError:
    """Return the error for a file that ends its decoder."""
    return AudioError("AUD-CORRUPT", f"{span.path}: {reason}", EXPORT_AGAIN)
