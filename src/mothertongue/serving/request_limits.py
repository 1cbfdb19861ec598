"""Check the client, origin, size and speed of a request before the application gets it.

One layer around the application, which sees every byte. It refuses in the shape of OpenAI's errors,
and it closes the connection where the rest of a body would still come.
"""

import asyncio
import hmac
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from ipaddress import IPv6Network
from typing import Any
from urllib.parse import urlsplit

from mothertongue.serving.address import is_loopback
from mothertongue.serving.errors import ApiError, busy
from mothertongue.serving.limits import Limits
from mothertongue.serving.metrics import Metrics

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

WORK = "/v1/audio/"
GUARDED = ("/v1/", "/metrics", "/openapi.json")


@dataclass
class State:
    """The requests that the server handles, and whether it is stopping."""

    clients: Counter[str] = field(default_factory=Counter)
    """How many requests of each client are worked on or wait."""
    is_draining: bool = False

    @property
    def running(self) -> int:
        """Return how many requests of all clients run or wait."""
        return self.clients.total()

    @contextmanager
    def working(self, client: str) -> Iterator[None]:
        """Count a request of the client inside the block."""
        self.clients[client] += 1
        try:
            yield
        finally:
            self.clients -= Counter([client])  # keeps those above 0 alone


class RequestLimits:
    """ASGI middleware that checks requests."""

    def __init__(
        self, app: App, limits: Limits, key: str | None, state: State, metrics: Metrics
    ) -> None:
        """`key`: sent by every client; without one only this machine's own names are served."""
        self.app, self.limits, self.key = app, limits, key
        self.state, self.metrics = state, metrics

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request, began_s = _Request(scope, receive, send, self.limits), time.monotonic()
        try:
            await self._served(request)
        finally:
            path = _known(scope)
            self.metrics.requests.labels(path, request.status or "gone").inc()
            self.metrics.request_s.labels(path).observe(time.monotonic() - began_s)

    async def _served(self, request: "_Request") -> None:
        client, is_work = client_of(request.scope), request.scope["path"].startswith(WORK)
        try:
            self._check(request, client, is_work)
        except ApiError as error:
            await request.refuse(error)
            return
        try:
            with self.state.working(client) if is_work else nullcontext():
                await self.app(request.scope, request.receive, request.send)
        except Exception:
            if request.refusal is None:
                raise
        if request.refusal is not None and not request.status:
            await request.refuse(request.refusal)

    def _check(self, request: "_Request", client: str, is_work: bool) -> None:
        """Raise ApiError if the request is refused."""
        if self.key is None:
            _check_origin(request.header("host"), request.header("origin"))
        elif request.scope["path"].startswith(GUARDED):
            _check_key(self.key, request.header("authorization"))
        if not is_work:
            return
        if self.state.is_draining:
            raise busy("the server is about to stop", "draining", 5)
        self._check_places(client)
        length = request.header("content-length")
        if length.isdecimal() and int(length) > self.limits.upload_bytes:
            raise _too_large(self.limits)

    def _check_places(self, client: str) -> None:
        """Raise ApiError if no place is free; the last quarter is for clients without a place."""
        places = self.limits.requests
        if self.state.clients[client]:
            places -= self.limits.requests // 4
        if self.state.running >= places:
            raise busy(f"{places} requests are worked on already", "rate_limit", 1, 429)


class _Request:
    """A request whose body is counted and timed while it arrives."""

    def __init__(self, scope: Any, receive: Receive, send: Send, limits: Limits) -> None:
        self.scope, self.limits = scope, limits
        self._receive, self._send = receive, send
        self.headers = {name.decode("latin-1"): value for name, value in scope["headers"]}
        self.began_s, self.received = time.monotonic(), 0
        has_length = self.header("content-length") not in ("", "0")
        self.is_whole = not (has_length or self.header("transfer-encoding"))
        self.status: int | None = None
        self.refusal: ApiError | None = None

    def header(self, name: str) -> str:
        return str(self.headers.get(name, b"").decode("latin-1"))

    async def receive(self) -> Message:
        """Return the next part of the body. Raises ApiError 408 or 413, at most once."""
        if self.is_whole:
            return await self._receive()
        allowed_s = self.limits.receive_s + self.received / self.limits.client_bytes_per_s
        try:
            async with asyncio.timeout(self.began_s + allowed_s - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            self.refusal = ApiError(408, "the request came too slowly", "timeout")
            raise self.refusal from None
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
            self.is_whole = not message.get("more_body", False)
        if self.received > self.limits.upload_bytes:
            self.refusal = _too_large(self.limits)
            raise self.refusal
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer; nothing after the request was refused."""
        if self.refusal is not None and not self.status:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            if not self.is_whole:  # nobody would count the rest, nor its time
                message["headers"].append((b"connection", b"close"))
        await self._send(message)

    async def refuse(self, error: ApiError) -> None:
        """Answer with an error."""
        self.refusal = None
        await error.response()(self.scope, self._receive, self.send)


def client_of(scope: Any) -> str:
    """Return the client's address; for IPv6 its first 64 bits, which belong to one client."""
    host, _ = scope["client"] or ("", 0)
    try:
        return str(IPv6Network((host, 64), strict=False))
    except ValueError:  # IPv4, or whatever a proxy says
        return str(host)


def _check_key(key: str, authorization: str) -> None:
    scheme, _, given = authorization.partition(" ")
    # Of bytes, because it takes no text beyond ASCII; in constant time, so that nobody can guess
    # letter by letter.
    is_right = hmac.compare_digest(given.strip().encode(), key.encode())
    if scheme.lower() != "bearer" or not is_right:
        message = "a key is needed: send it as Authorization: Bearer KEY"
        headers = {"WWW-Authenticate": "Bearer"}
        raise ApiError(401, message, "invalid_api_key", headers=headers)


def _check_origin(host: str, origin: str) -> None:
    """Raise ApiError unless the request is from this machine and not from another web site.

    A site whose name is made to point here (DNS rebinding) shows in Host, another site in Origin.
    """
    if not is_loopback(_name(f"//{host}")):
        message = f"Host {host!r}: expected localhost; for other names start the server with a key"
        raise ApiError(403, message, "forbidden_host")
    if origin and origin.partition("://")[2] != host:
        raise ApiError(403, f"Origin {origin!r}: another site may not ask", "forbidden_origin")


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _too_large(limits: Limits) -> ApiError:
    message = f"the request has more than {limits.upload_bytes:,} bytes; send a shorter recording"
    return ApiError(413, message, "too_large", "file")


def _known(scope: Any) -> str:
    """Return the route's path as a label, so that there are only as many labels as routes."""
    route = scope.get("route")
    return str(getattr(route, "path", "other"))
