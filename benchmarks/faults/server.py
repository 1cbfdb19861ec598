"""Bad clients against a server of a tiny base: slow ones, malformed requests, a crowd, a soak.

    PYTHONPATH=src:benchmarks:tests/helpers python -m faults.server [--reduced] [--minutes 30]

Prints one JSON object; `found` names what broke a promise. Everything is on this machine alone.
"""

import argparse
import json
import math
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import httpx2
import numpy as np
import psutil
from runs import save_base
from serving_client import form

from faults.bad_requests import malformed
from faults.described import statuses_of

Json = dict[str, Any]
CLIP = Path(__file__).parents[2] / "src/mothertongue/recipes/demo_data/audio"
FIELDS = {"model": "base", "language": "sw"}  # of so few tokens none is detected
CLOSED_S, LOG_BYTES, FILES = 30.0, 100_000, 120
HOST = b"Host: localhost\r\n"
GET = b"GET /health HTTP/1.1\r\n" + HOST
PAGE = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
LONG = b"Content-Length: 1000000000\r\n\r\n"
POST = b"POST /v1/audio/transcriptions HTTP/1.1\r\n" + HOST
PART = (
    b"Content-Type: multipart/form-data; boundary=edge\r\n"
    b"Content-Length: 1000000\r\n\r\n--edge\r\nX: "
)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done."""

    slow: int = 200
    malformed: int = 200
    clients: int = 32
    soak_s: float = 1800.0
    crowd: int = 150
    slower: float = 2.0
    """Beside slow clients a good request takes so many times as long at most, 95 in 100."""
    limits: str = "{}"
    described: int = 5000
    """Requests that the server's description allows."""


REDUCED = Size(40, 60, 8, 5.0, 0, math.inf, '{"head_s": 2, "receive_s": 2, "send_s": 2}', 60)


@dataclass(frozen=True, slots=True)
class Server:
    """A server in a process of its own, and its log."""

    url: str
    process: psutil.Process
    log: Path

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

    def held(self) -> set[int]:
        """The clients' ports of all connections that it has open."""
        return {each.raddr.port for each in self.process.net_connections("tcp") if each.raddr}


def run(reduced: bool) -> Json:
    """All parts, one after another."""
    return measure(REDUCED if reduced else Size())


def measure(size: Size) -> Json:
    with TemporaryDirectory(prefix="faults-") as name:
        base = save_base(Path(name) / "base")
        with served(base, size.limits) as server:
            parts = [
                _slow(server, size),
                _malformed(server, size.malformed),
                _described(server, size.described),
                _soak(server, size.clients, size.soak_s),
                _log(server),
            ]
        if size.crowd:
            with served(base, size.limits, FILES) as server:
                parts.append(_crowd(server, size.crowd))
    wrong = [line for part in parts for line in part.pop("found", [])]
    return {key: value for part in parts for key, value in part.items()} | {"found": wrong}


@contextmanager
def served(base: Path, limits: str, files: int | None = None) -> Iterator[Server]:
    """A server of the base, which may have so many files open."""
    command = [sys.executable, "-P", "-m", "faults.server", "--serve", str(base)]
    command += ["--limits", limits]
    limited = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"] if files else []
    log = base.parent / f"log-{files}.txt"
    with log.open("w") as err:
        environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen([*limited, *command], stderr=err, env=environ)
    try:
        while not (words := log.read_text().partition("listening on ")[2].split()):
            if process.poll() is not None:
                raise RuntimeError(f"it ended: {log.read_text()}")
            time.sleep(0.05)
        yield Server(words[0], psutil.Process(process.pid), log)
    finally:
        process.terminate()
        process.wait()


def _slow(server: Server, size: Size) -> Json:
    """Clients that leave things undone: when the last is cut off, and what others notice."""
    alone = [_timed(server) for _ in range(20)]
    beside, closed_s, still_open = _beside_slow(server, size.slow)
    alone_s, beside_s = _p95(alone), _p95(beside)
    wrong = [f"{still_open} slow clients still open after {closed_s:.0f} s"] * bool(still_open)
    if closed_s > CLOSED_S + 5:  # it is looked at between requests, which take their time
        wrong.append(f"the last slow client was cut off after {closed_s:.0f} s")
    if beside_s > size.slower * alone_s:
        wrong.append(f"p95 of good requests beside slow clients: {beside_s / alone_s:.1f} times")
    if refused := [status for status, _ in (*alone, *beside) if status != 200]:
        wrong.append(f"{len(refused)} good requests were not answered: {refused[:5]}")
    return {
        "slow clients": size.slow,
        "all cut off after s": round(closed_s, 1),
        "p95 of a good request alone, s": round(alone_s, 3),
        "and beside them, s": round(beside_s, 3),
        "found": wrong,
    }


def _beside_slow(server: Server, count: int) -> tuple[list[tuple[int, float]], float, int]:
    """Good requests until all slow clients are cut off, how long that took, and who never was."""
    trickling: list[Callable[[], socket.socket]] = [
        lambda: server.opened(POST + b"X-Slow: "),
        lambda: server.opened(POST + PART),
        lambda: _second(server, b"G"),
        lambda: _second(server, GET + LONG),
    ]
    with ExitStack() as stack:
        began_s = time.monotonic()
        crowd = [stack.enter_context(trickling[i % 4]()) for i in range(count * 4 // 5)]
        silent = [
            stack.enter_context(server.opened(PAGE * 300, receive_bytes=4096))  # and reads nothing
            for _ in range(count - len(crowd))
        ]
        ports = {each.getsockname()[1] for each in (*crowd, *silent)}
        beside = [_timed(server)]
        while (held := ports & server.held()) and time.monotonic() - began_s < 3 * CLOSED_S:
            for each in crowd:
                with suppress(OSError):
                    each.send(b"x")
            beside.append(_timed(server))
        return beside, time.monotonic() - began_s, len(held)


def _p95(asked: Sequence[tuple[int, float]]) -> float:
    return float(np.percentile([seconds for _, seconds in asked], 95))


def _second(server: Server, sent: bytes) -> socket.socket:
    """A connection on which one answer was read, and this sent after it."""
    made = server.opened(GET + b"\r\n")
    made.recv(65_536)
    made.sendall(sent)
    return made


def _malformed(server: Server, count: int) -> Json:
    statuses = Counter(_status(server, each) for each in malformed(count, *_upload()))
    wrong = [f"{number} malformed requests: {status}" for status, number in statuses.items()
             if status >= 500]  # fmt: skip
    if _asked(server, *_upload()) != 200:
        wrong.append("a good request after the malformed ones was not answered")
    return {"malformed requests": count, "their statuses": _counted(statuses), "found": wrong}


def _described(server: Server, count: int) -> Json:
    statuses = statuses_of(server.url, count)
    wrong = [f"{n} requests by schemathesis: {status}" for status, n in statuses.items()
             if status == 0 or status >= 500]  # fmt: skip
    return {
        "requests by schemathesis": statuses.total(),
        "the statuses of these": _counted(statuses),
        "found": wrong,
    }


def _status(server: Server, request: bytes) -> int:
    """Return the status that raw bytes are answered with, 0 for nothing."""
    answer = b""
    with suppress(OSError), server.opened(b"") as connection:
        with suppress(OSError):
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65_536):
            answer += part
    return int(answer.split(b" ", 2)[1]) if answer else 0


def _soak(server: Server, clients: int, seconds: float) -> Json:
    """Good and bad requests by many clients for a while: memory and open files over the time."""
    end_s, statuses = time.monotonic() + seconds, Counter[int]()
    samples = [_sample(server)]
    with ThreadPoolExecutor(clients) as pool:
        works = [pool.submit(_client, server, end_s, number) for number in range(clients)]
        while time.monotonic() < end_s:
            samples.append(_sample(server))
            time.sleep(max(0.5, seconds / 600))
        for each in works:
            statuses += each.result()
    samples.append(_sample(server))
    later = samples[(len(samples) - 1) // 4 :]  # the first quarter fills caches
    slope, _ = np.polyfit([each[0] for each in later], [each[1] for each in later], 1)
    bad = {status: n for status, n in statuses.items() if status >= 500 and status != 503}
    first, last = later[0], later[-1]
    return {
        "soak, s": round(seconds),
        "clients": clients,
        "statuses": _counted(statuses),
        "memory after a quarter and at the end, MB": f"{first[1] / 1e6:.0f}, {last[1] / 1e6:.0f}",
        "it grows by MB an hour": round(float(slope) * 3600 / 1e6, 1),
        "files open after a quarter and at the end": f"{first[2]}, {last[2]}",
        "found": [f"{n} answers of {status} in the soak" for status, n in bad.items()],
    }


def _sample(server: Server) -> tuple[float, int, int]:
    """The time, and the server's resident bytes and open files."""
    return time.monotonic(), server.process.memory_info().rss, server.process.num_fds()


def _client(server: Server, end_s: float, number: int) -> Counter[int]:
    """Return what one client is answered: good and bad requests in an order of its own."""
    chance, (body, kind) = random.Random(number), _upload()
    raw = [*malformed(40, body, kind)]
    statuses = Counter[int]()
    while statuses.total() < 3 or time.monotonic() < end_s:
        case = chance.randrange(5)
        if case == 0:
            statuses[_status(server, chance.choice(raw))] += 1
        elif case == 1:
            with suppress(OSError):
                server.opened(POST + PART + body[: chance.randrange(len(body))]).close()
        else:
            sent = {2: body, 3: body.replace(b"OggS", b"Oops"), 4: body.replace(b"base", b"none")}
            statuses[_asked(server, sent[case], kind)] += 1
    return statuses


def _log(server: Server) -> Json:
    size = server.log.stat().st_size
    wrong = [f"the log has {size:,} bytes"] if size > LOG_BYTES else []
    return {"bytes of log": size, "found": wrong}


def _crowd(server: Server, count: int) -> Json:
    """More connections than the process may have files, each with a byte of a second request."""
    with ExitStack() as stack:
        for _ in range(count):
            with suppress(OSError):
                stack.enter_context(_second(server, b"G"))
        body, kind = _upload()
        status = _asked(server, body, kind)
        size = server.log.stat().st_size
    wrong = [f"a request beside {count} connections: {status}"] if status != 200 else []
    wrong += [f"its log has {size:,} bytes"] if size > LOG_BYTES else []
    what = f"{count} connections to a server of {FILES} files, and a good request"
    return {what: status, "bytes of its log": size, "found": wrong}


def _upload() -> tuple[bytes, dict[str, str]]:
    return form(min(CLIP.glob("*.opus"), key=lambda path: path.stat().st_size), **FIELDS)


def _asked(server: Server, body: bytes, kind: dict[str, str]) -> int:
    """The status of a request, 0 where the connection ends."""
    try:
        url = f"{server.url}/v1/audio/transcriptions"
        return httpx2.post(url, content=body, headers=kind, timeout=300).status_code
    except httpx2.TransportError:
        return 0


def _timed(server: Server) -> tuple[int, float]:
    """The status of a good request, and how many seconds it took."""
    began_s = time.monotonic()
    return _asked(server, *_upload()), time.monotonic() - began_s


def _counted(statuses: Counter[int]) -> str:
    return ", ".join(f"{status or 'none'}: {n}" for status, n in sorted(statuses.items()))


def _serve(base: str, limits: str) -> None:
    """Serve as `mothertongue serve` does, with limits that are no options of it."""
    from mothertongue.decoding.transcript import DecodeConfig
    from mothertongue.serving.address import Address
    from mothertongue.serving.limits import Limits
    from mothertongue.serving.models import load, parse_specs
    from mothertongue.serving.server import serve

    specs = parse_specs([f"base={base}"])
    offer = load(specs, DecodeConfig(), "fp32", "float32", False, print)
    serve(offer, Address("127.0.0.1", 0, None), Limits(**json.loads(limits)), 16, 2)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reduced", action="store_true", help="a share, in half a minute")
    parser.add_argument("--minutes", type=float, help="of the soak; default 30")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--limits", default="{}", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.serve:
        _serve(asked.serve, asked.limits)
        return
    whole = Size() if asked.minutes is None else Size(soak_s=60 * asked.minutes)
    print(json.dumps(measure(REDUCED if asked.reduced else whole), indent=2))


if __name__ == "__main__":
    main()
