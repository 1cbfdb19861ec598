"""A process that reads clips and dies while it sends them is one message, whatever breaks off."""

import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pickle import UnpicklingError

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mothertongue.errors import Preempted
from mothertongue.system.processes import children
from mothertongue.training.workers import received, start_method, workers_outlived

Sent = Callable[[Connection, bytes], None]
SEND: Sent = Connection._send_bytes  # what queues and the sockets of tensors send with
LOST = "a process that reads clips was lost .* again to continue, with train.workers=0"


class Numbers(Dataset[Tensor]):
    """Tensors, whose memory is handed over after the message, as that of clips is."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, place: int) -> Tensor:
        if place == 6:
            raise OSError("the disk of the clips")
        return torch.full((3,), place)


def loader() -> "DataLoader[Tensor]":
    return DataLoader(
        Numbers(),
        batch_size=None,
        num_workers=1,
        multiprocessing_context=start_method(),
        timeout=60,
    )


def half(connection: Connection, message: bytes) -> None:
    os.write(connection.fileno(), len(message).to_bytes(4, "big") + message[:2])


def length(connection: Connection, message: bytes) -> None:
    os.write(connection.fileno(), b"\0\0")


def nothing(connection: Connection, message: bytes) -> None: ...


# torch raises from a signal's handler, which may leave a file of Python's own unclosed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("sent", [half, length, nothing, SEND])
@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_worker_that_dies_while_it_sends(
    sent: Sent, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbered message of the worker breaks off; some are of the sockets of tensors."""
    main, count = os.getpid(), 0

    def breaking(connection: Connection, message: bytes) -> None:
        nonlocal count
        count += os.getpid() != main
        if count == number:
            sent(connection, message)
            os.kill(os.getpid(), signal.SIGKILL)
        SEND(connection, message)

    monkeypatch.setattr(Connection, "_send_bytes", breaking)
    with pytest.raises(Preempted, match=LOST), workers_outlived():
        list(received(loader()))


class Breaks:
    """A loader whose only worker is dead when its message is read."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __iter__(self) -> "Breaks":
        others = children()  # a failed test keeps its loader; torch would tell of its death later
        self.inner = iter(loader())
        next(self.inner)
        (self.worker,) = (each for each in children() if each not in others)
        return self

    def __next__(self) -> Tensor:
        self.worker.kill()
        raise self.error


@pytest.mark.parametrize("error", [EOFError(), OSError("bad message length"), UnpicklingError()])
def test_a_message_that_breaks_off_before_the_death_is_told(error: Exception) -> None:
    with pytest.raises(Preempted, match=LOST), workers_outlived():
        list(received(Breaks(error)))


def test_an_error_of_the_work_stays_what_it_is() -> None:
    found = []
    with pytest.raises(OSError, match="the disk of the clips"), workers_outlived():
        found.extend(received(loader()))
    assert len(found) == 6


def test_all_that_is_sent_is_received() -> None:
    batches = received(DataLoader(Numbers(), sampler=range(6), batch_size=None, num_workers=1))
    assert [each.tolist() for each in batches] == [[place] * 3 for place in range(6)]
