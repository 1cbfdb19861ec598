"""Clients that do not go on are cut off, and a crowd of them keeps nobody out."""

import contextlib
import itertools
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from serving_client import LIMITS, Slow, ask, transcribe, until
from serving_fixtures import running

from mothertongue.model.tokenizer import Tokens
from mothertongue.serving.connections import max_connections
from mothertongue.serving.limits import Limits
from mothertongue.serving.models import ModelRegistry, ServedModel

QUICK = LIMITS.model_copy(update={"head_s": 2.0, "receive_s": 2.0, "send_s": 2.0})
GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
ENDLESS = b"Content-Length: 1000000000\r\n\r\n"
PART = (
    b"Content-Type: multipart/form-data; boundary=edge\r\n"
    b"Content-Length: 100000\r\n\r\n--edge\r\nX: "
)
UNFINISHED = {
    "nothing": b"",
    "one byte": b"G",
    "a head": GET,
    "a body that no route reads": GET + ENDLESS,
    "a body of a refused method": b"POST /health HTTP/1.1\r\nHost: localhost\r\n" + ENDLESS,
    "an upload": POST + PART,
}


@pytest.fixture(scope="module")
def offer(tokens: Tokens) -> ModelRegistry:
    """Models enough that their list fills a socket's buffers."""
    names = [f"slow{i}" for i in range(4000)]
    return ModelRegistry(
        {each: ServedModel(each, "base", 0, tokens, "sw") for each in names}, [Slow()]
    )


@pytest.fixture(scope="module")
def quick(offer: ModelRegistry) -> Iterator[Any]:
    with running(offer, QUICK, decoders=0) as started:
        yield started


@contextlib.contextmanager
def opened(server: Any, sent: bytes = b"") -> Iterator[socket.socket]:
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as made:
        made.sendall(sent)
        yield made


def answer(connection: socket.socket) -> bytes:
    """The head and the body of an answer, as long as it says to be."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(65_536)
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65_536)
    return head + body


def is_cut_off(connection: socket.socket, trickle: bytes) -> bool:
    """Whether the server has hung up; if not it is sent a little more."""
    connection.settimeout(0.005)
    try:
        connection.sendall(trickle)
        return not connection.recv(65_536)
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("before", [b"", GET + b"\r\n"], ids=["first", "second"])
def test_a_request_that_does_not_end_is_cut_off(quick: Any, before: bytes) -> None:
    with contextlib.ExitStack() as stack:
        is_open = {}
        for what, trickle in itertools.product(UNFINISHED, (b"", b"x")):
            connection = stack.enter_context(opened(quick, before))
            if before:
                assert answer(connection).startswith(b"HTTP/1.1 200")
            connection.sendall(UNFINISHED[what])
            is_open[what, trickle] = connection
        end = time.monotonic() + 20
        while is_open:
            assert time.monotonic() < end, f"still open: {[*is_open]}"
            for key, connection in [*is_open.items()]:
                if is_cut_off(connection, key[1]):
                    del is_open[key]


@pytest.mark.parametrize("sent", [GET, POST.replace(b"POST", b"PUT")])
def test_a_connection_ends_with_a_body_that_nobody_reads(quick: Any, sent: bytes) -> None:
    with opened(quick, sent + ENDLESS) as connection:
        assert b"connection: close" in answer(connection)


def test_who_does_not_read_answers_is_cut_off(quick: Any) -> None:
    many = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100
    with opened(quick, many):
        until(lambda: quick.server_state.total_requests and quick.server_state.tasks)
        until(lambda: not quick.server_state.connections and not quick.server_state.tasks)


@pytest.mark.parametrize("bound", ["connections", "client_connections"])
def test_in_a_crowd_the_longest_waiting_makes_room(offer: ModelRegistry, bound: str) -> None:
    limits = LIMITS.model_copy(update={bound: 3})
    with running(offer, limits, decoders=0) as server, contextlib.ExitStack() as stack:
        crowd = []
        for i in range(3):
            crowd.append(stack.enter_context(opened(server, GET)))
            until(lambda count=i + 1: len(server.server_state.connections) == count)
        assert ask(server, "GET", "/health")[0] == 200
        assert crowd[0].recv(1) == b"", "the first is closed"
        crowd[1].sendall(b"\r\n")
        assert answer(crowd[1]).startswith(b"HTTP/1.1 200"), "the second is not"
        assert len(server.server_state.connections) <= 3


def test_where_all_are_at_work_one_more_is_refused(tokens: Tokens, recordings: list[Path]) -> None:
    engine = Slow()
    offer = ModelRegistry({"slow": ServedModel("slow", "base", 0, tokens, "sw")}, [engine])
    limits = LIMITS.model_copy(update={"client_connections": 2})
    with running(offer, limits) as server:
        asks = [threading.Thread(target=transcribe, args=[server, recordings[0]]) for _ in "ab"]
        for each in asks:
            each.start()
        until(lambda: server.state.running == 2)
        with opened(server) as connection:
            refused = answer(connection)
        assert refused.startswith(b"HTTP/1.1 503") and b"retry-after: 1" in refused
        assert b"too many connections" in refused
        engine.go.set()
        for each in asks:
            each.join(20)
        assert ask(server, "GET", "/health")[0] == 200


def test_connections_take_half_of_the_files_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, expected in ((120, 60), (1024, 512), (4096, 512), (resource.RLIM_INFINITY, 512)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert max_connections(Limits()) == expected


def test_many_that_never_finish_their_heads_keep_nobody_out(offer: ModelRegistry) -> None:
    limits = QUICK.model_copy(update={"head_s": 3.0})
    with running(offer, limits, decoders=0) as server, contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(opened(server, POST + b"X-Slow: ")) for _ in range(200)]
        assert ask(server, "GET", "/health")[0] == 200
        crowd[-1].setblocking(False)
        with pytest.raises(BlockingIOError):  # it was answered while the crowd was there
            crowd[-1].recv(1)
        for each in crowd:
            each.settimeout(20)
            assert each.recv(1) == b"", "the server hangs up"
