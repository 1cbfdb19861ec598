"""Requests for a transcription that are broken, made from one that is not."""

import random
from collections.abc import Iterator


def malformed(count: int, body: bytes, kind: dict[str, str]) -> Iterator[bytes]:
    """Requests that are broken in ways of their own: cut, scrambled, or wrong in their frame."""
    rng = random.Random(0)
    head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
    typed = f"{head}Content-Type: {kind['Content-Type']}\r\n"
    right = f"{typed}Content-Length: {len(body)}\r\n\r\n".encode() + body
    frames = [
        b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01",
        f"{typed}Content-Length: -1\r\n\r\n".encode(),
        f"{typed}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef".encode(),
        f"{typed}Transfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
        f"{head}Content-Type: multipart/form-data\r\nContent-Length: 3\r\n\r\nabc".encode(),
        f"{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
        f"{typed}Content-Length: 2\r\n\r\n--".encode(),
        (head + "X: " + "y" * 200_000 + "\r\n\r\n").encode(),
        f"POST /v1/models?{'a=b&' * 5000} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
        b"GET /v1/models/%00%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ]  # fmt: skip
    yield from frames
    for _ in range(count - len(frames)):
        data = bytearray(right)
        for _ in range(rng.choice([1, 3, 30, 300])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        yield bytes(data[: rng.randrange(len(data)) if rng.random() < 0.5 else len(data)])
