"""A server of a tiny base in a process of its own, and requests to it.

    PYTHONPATH=src:benchmarks:tests/helpers python -m faults.served BASE LIMITS HEAP

LIMITS is a JSON object of settings of serving's Limits; HEAP the file that heap.py writes.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psutil
from serving_client import form

from faults.heap import tell_when_asked, told_bytes
from mothertongue.system import runtime

CLIP = Path(__file__).parents[2] / "src/mothertongue/recipes/demo_data/audio"
TOGETHER = 4
"""The most clips that are decoded together. CTranslate2 keeps a compiled convolution for each
number of them. Of sixteen, some come up only after a quarter of an hour, like a leak."""
FIELDS = {"model": "base", "language": "sw"}  # of so few tokens none is detected
HOST = b"Host: localhost\r\n"
GET = b"GET /health HTTP/1.1\r\n" + HOST


@dataclass(frozen=True, slots=True)
class Server:
    """A server in a process of its own, and its log."""

    url: str
    process: psutil.Process
    log: Path
    heap: Path

    @property
    def address(self) -> tuple[str, int]:
        where = urlsplit(self.url)
        return str(where.hostname), int(where.port or 0)

    def opened(self, sent: bytes, receive_bytes: int | None = None) -> socket.socket:
        """A connection on which this was sent, and nothing is read yet."""
        made = socket.socket()
        if receive_bytes:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        made.settimeout(30)
        made.connect(self.address)
        made.sendall(sent)
        return made

    def in_use_bytes(self) -> int:
        return told_bytes(self.process, self.heap)

    def held(self) -> set[int]:
        """The clients' ports of all connections that it has open."""
        return {each.raddr.port for each in self.process.net_connections("tcp") if each.raddr}


@contextmanager
def served(base: Path, limits: str, files: int | None = None) -> Iterator[Server]:
    """A server of the base, which may have so many files open."""
    heap = base.parent / f"heap-{files}.txt"
    command = [sys.executable, "-P", "-m", "faults.served", str(base), limits, str(heap)]
    limited = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"] if files else []
    log = base.parent / f"log-{files}.txt"
    with log.open("w") as err:
        environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONMALLOC": "malloc"}
        runtime.set_up(environ)
        process = subprocess.Popen([*limited, *command], stderr=err, env=environ)
    try:
        while not (words := log.read_text().partition("listening on ")[2].split()):
            if process.poll() is not None:
                raise RuntimeError(f"it ended: {log.read_text()}")
            time.sleep(0.05)
        yield Server(words[0], psutil.Process(process.pid), log, heap)
    finally:
        process.terminate()
        process.wait()


def second_request(server: Server, sent: bytes) -> socket.socket:
    """A connection on which one answer was read, and this sent after it."""
    made = server.opened(GET + b"\r\n")
    made.recv(65_536)
    made.sendall(sent)
    return made


def raw_status(server: Server, request: bytes) -> int:
    """Return the status that raw bytes are answered with, 0 for nothing."""
    answer = b""
    with suppress(OSError), server.opened(b"") as connection:
        with suppress(OSError):
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65_536):
            answer += part
    return int(answer.split(b" ", 2)[1]) if answer else 0


def good_upload() -> tuple[bytes, dict[str, str]]:
    return form(min(CLIP.glob("*.opus"), key=lambda path: path.stat().st_size), **FIELDS)


def request_status(server: Server, body: bytes, kind: dict[str, str]) -> int:
    """The status of a request, 0 where the connection ends."""
    try:
        url = f"{server.url}/v1/audio/transcriptions"
        return httpx2.post(url, content=body, headers=kind, timeout=300).status_code
    except httpx2.TransportError:
        return 0


def timed_request(server: Server) -> tuple[int, float]:
    """The status of a good request, and how many seconds it took."""
    began_s = time.monotonic()
    return request_status(server, *good_upload()), time.monotonic() - began_s


def _serve(base: str, limits: str, heap: str) -> None:
    """Serve as `mothertongue serve` does, with limits that are no options of it."""
    tell_when_asked(Path(heap))
    from mothertongue.decoding.transcript import DecodeConfig
    from mothertongue.serving.address import Address
    from mothertongue.serving.limits import Limits
    from mothertongue.serving.models import load, parse_specs
    from mothertongue.serving.server import serve

    specs = parse_specs([f"base={base}"])
    offer = load(specs, DecodeConfig(), "auto", "float32", False, print)
    serve(offer, Address("127.0.0.1", 0, None), Limits(**json.loads(limits)), TOGETHER, 2)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
