"""A client of the server under test that asks in plain HTTP, and an engine that waits."""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from runs import PATIENCE_S

from mothertongue.decoding.transcript import Clip, Transcript
from mothertongue.serving.limits import Limits

KEY = "a key of some length"
LIMITS = Limits(
    upload_bytes=200_000,
    receive_s=1.0,
    client_bytes_per_s=10**9,
    requests=3,
    request_s=20.0,
)


class Slow:
    """An engine that works until it is let go."""

    def __init__(self) -> None:
        self.go, self.batches = threading.Event(), []

    def __call__(self, audio: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
        raise AssertionError

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        self.batches.append(len(clips))
        self.go.wait(20)
        return [Transcript("said", each.language or "sw", (1,), -0.1) for each in clips]


def form(path: Path, **fields: str) -> tuple[bytes, dict[str, str]]:
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in ({"model": "slow"} | fields).items()
    ]
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    body = b"".join([*parts, head, path.read_bytes(), b"\r\n--edge--\r\n"])
    return body, {"Content-Type": "multipart/form-data; boundary=edge"}


@contextlib.contextmanager
def connected(server: Any) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=PATIENCE_S)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    server: Any, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, Any, Any]:
    with connected(server) as connection:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, json.loads(text) if is_json else text, answer.headers


def transcribe(server: Any, path: Path, headers: dict[str, str] | None = None) -> Any:
    body, kind = form(path)
    return ask(server, "POST", "/v1/audio/transcriptions", body, kind | (headers or {}))


def until(condition: Any) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
