"""Limit the number of HTTP connections, and close those whose client does not act in time."""

import asyncio
import resource
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from mothertongue.serving.errors import ApiError, busy
from mothertongue.serving.limits import Limits
from mothertongue.serving.request_limits import client_of


def max_connections(limits: Limits) -> int:
    """Return how many may be open: at most half of the process' files; uploads need files too."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_unlimited = files == resource.RLIM_INFINITY
    return limits.connections if is_unlimited else min(limits.connections, max(1, files // 2))


class Connection(H11Protocol):
    """uvicorn's connection with a deadline for every wait, and errors in OpenAI's shape.

    The deadlines are absolute: a byte now and then does not put them off. While a request is
    received and worked on, `RequestLimits` and `Service` watch the time instead.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.limits, self.address, self.waits_since_s = limits, "", 0.0
        self._deadlines: dict[str, asyncio.TimerHandle] = {}

    @property
    def is_waiting(self) -> bool:
        """Return whether no request is being received or handled."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request, or refuse the connection if there are too many."""
        super().connection_made(transport)
        self.address = client_of({"client": self.client})
        self._wait()
        if not self._has_room():
            self._refuse(busy("there are too many connections", "overloaded", 1))

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection from the list."""
        super().connection_lost(exc)
        for what in [*self._deadlines]:
            self._met(what)

    def handle_events(self) -> None:
        """Handle received bytes; a request ends the wait."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._met("head")

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self._wait()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begin to wait until the client reads the answer."""
        super().pause_writing()
        self._expect("taken", self.limits.send_s)

    def resume_writing(self) -> None:
        """Continue to write."""
        super().resume_writing()
        self._met("taken")

    def send_400_response(self, msg: str) -> None:
        """Answer a message that is not HTTP."""
        self._refuse(ApiError(400, msg, "invalid_http"))

    def _wait(self) -> None:
        self.waits_since_s = self.loop.time()
        self._expect("head", self.limits.head_s)

    def _expect(self, what: str, seconds: float) -> None:
        """Abort the connection if the client does not act in time."""
        self._met(what)
        seconds += self.transport.get_write_buffer_size() / self.limits.client_bytes_per_s
        self._deadlines[what] = self.loop.call_later(seconds, self.transport.abort)

    def _met(self, what: str) -> None:
        if timer := self._deadlines.pop(what, None):
            timer.cancel()

    def _has_room(self) -> bool:
        """Return whether it may stay; if there are too many, close the one that waited longest."""
        if not (crowd := self._others_at_limit()):
            return True
        waiting = [each for each in crowd if each.is_waiting]
        if not waiting:
            return False
        oldest = min(waiting, key=lambda each: each.waits_since_s)
        self.connections.discard(oldest)
        oldest.transport.abort()
        return True

    def _others_at_limit(self) -> "list[Connection]":
        """Return the other connections, of its client or of all, if the limit is reached."""
        others: Any = self.connections - {self}
        own = [each for each in others if each.address == self.address]
        if len(own) >= self.limits.client_connections:
            return own
        return [*others] if len(others) >= max_connections(self.limits) else []

    def _refuse(self, error: ApiError) -> None:
        """Answer without the application, and close the connection."""
        response = error.response()
        headers = [*response.raw_headers, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=error.status, headers=headers),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        ):
            if output := self.conn.send(event):
                self.transport.write(output)
        self.transport.close()
