"""Bad clients against a server of a tiny base: slow ones, malformed requests, a crowd, a soak.

    PYTHONPATH=src:benchmarks:tests/helpers python -m faults.server [--reduced] [--minutes 30]

Prints one JSON object; `found` names what broke a promise. Everything is on this machine alone.
"""

import argparse
import json
import math
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from runs import save_base

from faults.bad_requests import malformed
from faults.described import statuses_of
from faults.served import (
    GET,
    HOST,
    Server,
    good_upload,
    raw_status,
    request_status,
    second_request,
    served,
    timed_request,
)

Json = dict[str, Any]
CLOSED_S, LOG_BYTES, FILES = 30.0, 100_000, 120
ROUND_S, IDLE_S, IDLE_PERCENT = 60.0, 0.25, 5.0
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
    growth_mb: float = 1.0
    """The memory in use at rest grows by at most so much an hour, once the caches are full."""
    limits: str = f'{{"idle_s": {IDLE_S}}}'
    described: int = 5000
    """Requests that the server's description allows."""


REDUCED = Size(
    slow=40,
    malformed=60,
    clients=8,
    soak_s=5.0,
    crowd=0,
    slower=math.inf,
    growth_mb=math.inf,
    limits=f'{{"head_s": 2, "receive_s": 2, "send_s": 2, "idle_s": {IDLE_S}}}',
    described=60,
)


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
                _soak(server, size),
                _log(server),
            ]
        if size.crowd:
            with served(base, size.limits, FILES) as server:
                parts.append(_crowd(server, size.crowd))
    wrong = [line for part in parts for line in part.pop("found", [])]
    return {key: value for part in parts for key, value in part.items()} | {"found": wrong}


def _slow(server: Server, size: Size) -> Json:
    """Clients that leave things undone: when the last is cut off, and what others notice."""
    alone = [timed_request(server) for _ in range(20)]
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
        lambda: second_request(server, b"G"),
        lambda: second_request(server, GET + LONG),
    ]
    with ExitStack() as stack:
        began_s = time.monotonic()
        crowd = [stack.enter_context(trickling[i % 4]()) for i in range(count * 4 // 5)]
        silent = [
            stack.enter_context(server.opened(PAGE * 300, receive_bytes=4096))  # and reads nothing
            for _ in range(count - len(crowd))
        ]
        ports = {each.getsockname()[1] for each in (*crowd, *silent)}
        beside = [timed_request(server)]
        while (held := ports & server.held()) and time.monotonic() - began_s < 3 * CLOSED_S:
            for each in crowd:
                with suppress(OSError):
                    each.send(b"x")
            beside.append(timed_request(server))
        return beside, time.monotonic() - began_s, len(held)


def _p95(asked: Sequence[tuple[int, float]]) -> float:
    return float(np.percentile([seconds for _, seconds in asked], 95))


def _malformed(server: Server, count: int) -> Json:
    statuses = Counter(raw_status(server, each) for each in malformed(count, *good_upload()))
    wrong = [f"{number} malformed requests: {status}" for status, number in statuses.items()
             if status >= 500]  # fmt: skip
    if request_status(server, *good_upload()) != 200:
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


def _soak(server: Server, size: Size) -> Json:
    """Good and bad requests by many clients for a while: memory and open files between rounds.

    Busy, the memory is what the requests of that moment need; at rest, it is what stays. The first
    half fills caches.
    """
    clients, seconds = size.clients, size.soak_s
    rounds = max(6, round(seconds / ROUND_S))
    statuses, samples = Counter[int](), [_at_rest(server)]
    with ThreadPoolExecutor(clients) as pool:
        for number in range(rounds):
            end_s = time.monotonic() + seconds / rounds
            asks = partial(_client, server, end_s, number)
            statuses += sum(pool.map(asks, range(clients)), Counter[int]())
            samples.append(_at_rest(server))
    later = samples[len(samples) // 2 :]
    slope_mb, error_mb = _slope(
        [each.time_s / 3600 for each in later], [each.in_use_bytes / 1e6 for each in later]
    )
    bad = {status: n for status, n in statuses.items() if status >= 500 and status != 503}
    is_growing = slope_mb - error_mb > size.growth_mb
    grows = [f"what it has in use grows by {slope_mb:.1f} MB an hour"] if is_growing else []
    marks = samples[0], later[0], later[-1]
    return {
        "soak, s": round(seconds),
        "clients": clients,
        "statuses": _counted(statuses),
        "in use at rest at the start, after half and at the end, MB": _in_mb(
            each.in_use_bytes for each in marks
        ),
        "in the second half it grows by MB an hour": f"{slope_mb:.2f} ± {error_mb:.2f}",
        "memory of the process then, MB": _in_mb(each.memory_bytes for each in marks),
        "files open then": ", ".join(str(each.files) for each in marks),
        "found": [f"{n} answers of {status} in the soak" for status, n in bad.items()] + grows,
    }


@dataclass(frozen=True, slots=True)
class _Rest:
    """The server at rest; the pages of files are the system's, to take back, and do not count."""

    time_s: float
    in_use_bytes: int
    memory_bytes: int
    files: int


def _at_rest(server: Server) -> _Rest:
    """Return what the server holds once it gave freed memory back."""
    server.process.cpu_percent()
    for _ in range(60):
        time.sleep(2 * IDLE_S)
        if server.process.cpu_percent() < IDLE_PERCENT:
            break
    memory = server.process.memory_info()
    return _Rest(
        time.monotonic(),
        server.in_use_bytes(),
        memory.rss - memory.shared,
        server.process.num_fds(),
    )


def _in_mb(sizes: Iterable[int]) -> str:
    return ", ".join(f"{each / 1e6:.1f}" for each in sizes)


def _slope(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Return the slope of a line through the points, and two standard errors of it."""
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    return float(slope), 2 * float(np.sqrt(covariance[0, 0]))


def _client(server: Server, end_s: float, round_: int, number: int) -> Counter[int]:
    """Return what one client is answered: good and bad requests in an order of its own."""
    chance, (body, kind) = random.Random(f"{round_} {number}"), good_upload()
    raw = [*malformed(40, body, kind)]
    statuses = Counter[int]()
    while statuses.total() < 3 or time.monotonic() < end_s:
        case = chance.randrange(5)
        if case == 0:
            statuses[raw_status(server, chance.choice(raw))] += 1
        elif case == 1:
            with suppress(OSError):
                server.opened(POST + PART + body[: chance.randrange(len(body))]).close()
        else:
            sent = {2: body, 3: body.replace(b"OggS", b"Oops"), 4: body.replace(b"base", b"none")}
            statuses[request_status(server, sent[case], kind)] += 1
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
                stack.enter_context(second_request(server, b"G"))
        body, kind = good_upload()
        status = request_status(server, body, kind)
        size = server.log.stat().st_size
    wrong = [f"a request beside {count} connections: {status}"] if status != 200 else []
    wrong += [f"its log has {size:,} bytes"] if size > LOG_BYTES else []
    what = f"{count} connections to a server of {FILES} files, and a good request"
    return {what: status, "bytes of its log": size, "found": wrong}


def _counted(statuses: Counter[int]) -> str:
    return ", ".join(f"{status or 'none'}: {n}" for status, n in sorted(statuses.items()))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reduced", action="store_true", help="a share, in half a minute")
    parser.add_argument("--minutes", type=float, help="of the soak; default 30")
    asked = parser.parse_args(arguments)
    whole = Size() if asked.minutes is None else Size(soak_s=60 * asked.minutes)
    print(json.dumps(measure(REDUCED if asked.reduced else whole), indent=2))


if __name__ == "__main__":
    main()
