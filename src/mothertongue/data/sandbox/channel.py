"""Messages between a process and its workers: JSON, one open file, arrays of samples.

A message is the length of its JSON text in bytes, the text, and then the samples of each array
whose length the text names, as float32.
"""

import json
import socket
import struct
from collections.abc import Sequence
from io import BufferedReader
from typing import Any, BinaryIO

import numpy as np

from mothertongue.data.audio.load import Samples

Json = dict[str, Any]
Answer = tuple[Json, list[Samples]]

LENGTH = struct.Struct("<Q")
# A worker may have been taken over by the file that it decodes; one of ours sends less.
MAX_TEXT_BYTES = 1 << 20
MAX_SAMPLES = 1 << 24


def send_file(channel: socket.socket, message: Json, descriptor: int) -> None:
    """Send a message with an open file; `receive_file` receives it."""
    text = json.dumps(message).encode()
    socket.send_fds(channel, [LENGTH.pack(len(text))], [descriptor])
    channel.sendall(text)


def receive_file(channel: socket.socket) -> tuple[Json, int] | None:
    """Return the next message and its open file; None if the other end is closed."""
    head, descriptors, _, _ = socket.recv_fds(channel, LENGTH.size, 1)
    if not head:
        return None
    text = channel.recv(LENGTH.unpack(head)[0], socket.MSG_WAITALL)
    return json.loads(text), descriptors[0]


def write_answer(out: BinaryIO, message: Json, arrays: Sequence[Samples] = ()) -> None:
    """Write a message with arrays of samples; `read_answer` reads it.

    A message without arrays may wait in the buffer of `out`: the reader need not wake for it.
    """
    lengths = [len(samples_N) for samples_N in arrays]
    text = json.dumps({"message": message, "lengths": lengths}).encode()
    out.write(LENGTH.pack(len(text)) + text)
    for samples_N in arrays:
        out.write(np.ascontiguousarray(samples_N, np.float32).data)
    if arrays:
        out.flush()


def read_answer(file: BufferedReader, max_samples: float) -> Answer:
    """Return the next message and its arrays.

    Raises EOFError where the other end is closed; ValueError, TypeError, KeyError or RecursionError
    where it is no message of ours, or one of more samples than `max_samples`.
    """
    (length,) = LENGTH.unpack(_bytes(file, LENGTH.size))
    if length > MAX_TEXT_BYTES:
        raise ValueError(f"a message of {length:,} bytes")
    found = json.loads(_bytes(file, length))
    lengths = found["lengths"]
    if sum(lengths) > min(max_samples, MAX_SAMPLES):
        raise ValueError(f"{sum(lengths):,} samples")
    return found["message"], [_samples(file, each) for each in lengths]


def _bytes(file: BufferedReader, count: int) -> bytes:
    found = file.read(count)
    if len(found) < count:
        raise EOFError
    return found


def _samples(file: BufferedReader, length: int) -> Samples:
    samples_N = np.empty(length, np.float32)
    if file.readinto(samples_N.data) < samples_N.nbytes:
        raise EOFError
    return samples_N
