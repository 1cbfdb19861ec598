"""What is refused before it costs anything, and what becomes of clients that go or are slow."""

import asyncio
import contextlib
import errno
import http.client
import json
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import schemathesis
from faults.bad_requests import malformed
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from serving_client import KEY, LIMITS, Slow, ask, connected, form, transcribe, until
from serving_fixtures import running

from mothertongue.model.tokenizer import Tokens
from mothertongue.serving.metrics import Metrics
from mothertongue.serving.models import ModelRegistry, ServedModel
from mothertongue.serving.request_limits import RequestLimits, State, client_of


@pytest.fixture(scope="module")
def engine() -> Slow:
    return Slow()


@pytest.fixture(scope="module")
def slow(engine: Slow, tokens: Tokens) -> Iterator[Any]:
    """A server whose only model is slow, with narrow limits."""
    models = {
        "slow": ServedModel("slow", "base", 0, tokens, "sw"),
        "limited": ServedModel("limited", "export", 0, tokens, "sw", is_limited=True),
    }
    with running(ModelRegistry(models, [engine]), LIMITS) as started:
        yield started


@pytest.fixture(scope="module")
def locked(tokens: Tokens) -> Iterator[Any]:
    """One that wants a key."""
    engine = Slow()
    engine.go.set()
    served = ServedModel("slow", "base", 0, tokens, "sw")
    with running(ModelRegistry({"slow": served}, [engine]), LIMITS, KEY) as started:
        yield started


def test_a_key_is_asked_for_and_compared(locked: Any, recordings: list[Path]) -> None:
    for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"}):
        status, body, headers = transcribe(locked, recordings[0], wrong)
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")
        assert headers["WWW-Authenticate"] == "Bearer"
    assert ask(locked, "GET", "/v1/models")[0] == ask(locked, "GET", "/metrics")[0] == 401
    right = {"Authorization": f"Bearer {KEY}"}
    assert transcribe(locked, recordings[0], right)[0] == 200
    assert ask(locked, "GET", "/v1/models", None, right)[0] == 200
    assert ask(locked, "GET", "/health")[0] == ask(locked, "GET", "/")[0] == 200
    # With a key any name may stand for the server.
    assert ask(locked, "GET", "/v1/models", None, right | {"Host": "speech.example"})[0] == 200


def test_what_is_refused_takes_no_place() -> None:
    """Not even while its answer waits for a client that does not read it."""
    state, running = State(), []

    async def application(*_: Any) -> None:
        raise AssertionError

    async def receive() -> Any:
        raise AssertionError

    async def send(_: Any) -> None:
        running.append(state.running)

    guard = RequestLimits(application, LIMITS, KEY, state, Metrics())
    scope = {"type": "http", "method": "POST", "path": "/v1/audio/transcriptions", "headers": []}
    asyncio.run(guard(scope | {"client": ("203.0.113.1", 1)}, receive, send))
    assert running == [0, 0]


def test_other_sites_may_not_ask_without_a_key(slow: Any) -> None:
    for headers in (
        *({"Host": "evil.example"}, {"Host": "[["}),
        *({"Origin": "https://evil.example"}, {"Origin": "http://["}, {"Origin": "null"}),
    ):
        status, body, _ = ask(slow, "GET", "/v1/models", None, headers)
        assert (status, body["error"]["type"]) == (403, "invalid_request_error")
    own = urlsplit(slow.url).netloc
    assert ask(slow, "GET", "/v1/models", None, {"Origin": f"http://{own}"})[0] == 200


def test_too_large(slow: Any) -> None:
    path = "/v1/audio/transcriptions"
    status, body, headers = ask(slow, "POST", path, b"x" * 300_000)
    assert (status, body["error"]["code"], headers["Connection"]) == (413, "too_large", "close")
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    chunks = [head, *(b"x" * 50_000 for _ in range(8))]
    kind = {"Content-Type": "multipart/form-data; boundary=edge"}
    with connected(slow) as connection:
        connection.putrequest("POST", path)
        for name, value in (kind | {"Transfer-Encoding": "chunked"}).items():
            connection.putheader(name, value)
        connection.endheaders()
        with contextlib.suppress(OSError):  # it may hang up before all is sent
            for chunk in chunks:
                connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        assert connection.getresponse().status == 413


def test_a_slow_body_is_cut_off(slow: Any, recordings: list[Path]) -> None:
    body, kind = form(recordings[0])
    with connected(slow) as connection:
        connection.putrequest("POST", "/v1/audio/transcriptions")
        for name, value in (kind | {"Content-Length": str(len(body))}).items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(body[:100])
        began = time.monotonic()
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["error"]["code"]) == (408, "timeout")
        assert 0.5 < time.monotonic() - began < 25
    until(lambda: slow.state.running == 0)


def test_more_than_it_takes_at_once(slow: Any, engine: Slow, recordings: list[Path]) -> None:
    engine.go.clear()
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(transcribe(slow, recordings[0])))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    until(lambda: slow.state.running == 3)
    status, body, headers = transcribe(slow, recordings[0])
    assert (status, body["error"]["type"]) == (429, "rate_limit_error")
    assert int(headers["Retry-After"]) >= 1
    assert ask(slow, "GET", "/health")[0] == 200
    engine.go.set()
    for thread in threads:
        thread.join(20)
    assert [status for status, _, _ in answers] == [200] * 3


def test_a_client_with_many_requests_keeps_no_other_out(
    tokens: Tokens, recordings: list[Path]
) -> None:
    engine = Slow()
    limits = LIMITS.model_copy(update={"requests": 4})
    served = ServedModel("slow", "base", 0, tokens, "sw")
    answers: list[int] = []

    def asks(address: str) -> None:
        answers.append(transcribe(started, recordings[0], {"X-Forwarded-For": address})[0])

    with running(ModelRegistry({"slow": served}, [engine]), limits) as started:
        threads = [threading.Thread(target=asks, args=["203.0.113.1"]) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(lambda: started.state.running == 3)
        for each in ("203.0.113.1", "203.0.113.1"):
            asks(each)
        assert answers == [429, 429]
        threads.append(threading.Thread(target=asks, args=["2001:db8::1"]))
        threads[-1].start()
        until(lambda: started.state.running == 4)
        engine.go.set()
        for thread in threads:
            thread.join(20)
    assert answers == [429, 429, 200, 200, 200, 200]


def test_a_client_that_goes_frees_its_place(
    slow: Any, engine: Slow, recordings: list[Path]
) -> None:
    engine.go.clear()
    before = len(engine.batches)
    body, kind = form(recordings[0])
    connections = []
    for _ in range(3):
        connection = http.client.HTTPConnection(urlsplit(slow.url).netloc)
        connection.request("POST", "/v1/audio/transcriptions", body, kind)
        connections.append(connection)
        until(lambda: slow.state.running == len(connections))
    until(lambda: len(engine.batches) > before)
    for connection in connections:
        connection.close()
    until(lambda: slow.state.running == 0)
    engine.go.set()
    assert transcribe(slow, recordings[0])[0] == 200
    # Those that waited for a batch were taken out of the queue: none is decoded for nobody.
    assert sum(engine.batches[before:]) <= 3


class Full(tempfile.SpooledTemporaryFile):  # type: ignore[type-arg]
    """A file on a disk that is full."""

    def write(self, *_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_upload_that_finds_no_room_may_come_again(
    slow: Any,
    recordings: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", Full)
    status, body, headers = transcribe(slow, recordings[0])
    assert (status, body["error"]["code"]) == (503, "no_space"), body
    assert int(headers["Retry-After"]) >= 1
    assert "No space left on device" in caplog.text


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("no:address", "no:address"),
    ],
)
def test_a_client_is_an_address_or_a_network_of_ipv6(host: str, client: str) -> None:
    assert client_of({"client": (host, 1)}) == client
    assert client_of({"client": None}) == ""


def test_what_an_engine_cannot_do_is_refused(slow: Any, recordings: list[Path]) -> None:
    for path, fields in (
        ("transcriptions", {"prompt": "habari"}),
        ("translations", {}),
        (
            "transcriptions",
            {"response_format": "verbose_json", "timestamp_granularities[]": "word"},
        ),
    ):
        body, kind = form(recordings[0], model="limited", **fields)
        status, answer, _ = ask(slow, "POST", f"/v1/audio/{path}", body, kind)
        assert (status, answer["error"]["code"]) == (400, "invalid_value"), answer


def test_a_stream_ends_at_the_deadline(tokens: Tokens, recordings: list[Path]) -> None:
    engine = Slow()
    limits = LIMITS.model_copy(update={"request_s": 1.0})
    served = ServedModel("slow", "base", 0, tokens, "sw")
    with running(ModelRegistry({"slow": served}, [engine]), limits) as started:
        for fields, is_stream in (({"stream": "true"}, True), ({}, False)):
            body, kind = form(recordings[0], **fields)
            status, answer, _ = ask(started, "POST", "/v1/audio/transcriptions", body, kind)
            assert status == (200 if is_stream else 503)
            assert "deadline_exceeded" in str(answer)
        engine.go.set()


@pytest.mark.slow
def test_200_malformed_requests_and_no_500(slow: Any, engine: Slow, recordings: list[Path]) -> None:
    engine.go.set()
    place = urlsplit(slow.url)
    assert place.hostname and place.port
    statuses = []
    for data in malformed(200, *form(recordings[0])):
        with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(OSError):
                while part := connection.recv(65_536):
                    answer += part
        if answer:
            statuses.append(int(answer.split(b" ", 2)[1]))
    assert len(statuses) > 80
    assert {status for status in statuses if status >= 500} == set()
    assert transcribe(slow, recordings[0])[0] == 200


@pytest.mark.slow
def test_what_its_own_description_allows_gives_no_500(slow: Any, engine: Slow) -> None:
    engine.go.set()
    schema = schemathesis.openapi.from_url(f"{slow.url}/openapi.json")
    seen = []

    def check(case: Any) -> None:
        answer = case.call()
        seen.append(answer.status_code)
        case.validate_response(answer, checks=[not_a_server_error])
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}

    for operation in schema.get_all_operations():
        on_cases = given(case=operation.ok().as_strategy())(check)
        settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))(
            on_cases
        )()
    assert len(seen) > 100
