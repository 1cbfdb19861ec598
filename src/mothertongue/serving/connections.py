"""Connections: what a client leaves undone keeps none open, and only so many are open at once."""

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
    """Return how many may be open: half of the process' files at most, uploads need some too."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_unlimited = files == resource.RLIM_INFINITY
    return limits.connections if is_unlimited else min(limits.connections, max(1, files // 2))


class Connection(H11Protocol):
    """uvicorn's, but every wait for its client has a deadline, and its errors have our shape.

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
        """Whether no request is received or worked on."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request, or refuse it where there is no room."""
        super().connection_made(transport)
        self.address = client_of({"client": self.client})
        self._wait()
        if not self._finds_room():
            self._refuse(busy("there are too many connections", "overloaded", 1))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        for what in [*self._deadlines]:
            self._met(what)

    def handle_events(self) -> None:
        """Handle what has come; when it is a request, the wait for it is over."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._met("head")

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self._wait()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begin to wait for the client to take what was written."""
        super().pause_writing()
        self._expect("taken", self.limits.send_s)

    def resume_writing(self) -> None:
        """Write on."""
        super().resume_writing()
        self._met("taken")

    def send_400_response(self, msg: str) -> None:
        """To what is no HTTP."""
        self._refuse(ApiError(400, msg, "invalid_http"))

    def _wait(self) -> None:
        self.waits_since_s = self.loop.time()
        self._expect("head", self.limits.head_s)

    def _expect(self, what: str, seconds: float) -> None:
        """Abort the connection unless it is met in time, and in the time for what is not sent."""
        self._met(what)
        seconds += self.transport.get_write_buffer_size() / self.limits.client_bytes_per_s
        self._deadlines[what] = self.loop.call_later(seconds, self.transport.abort)

    def _met(self, what: str) -> None:
        if timer := self._deadlines.pop(what, None):
            timer.cancel()

    def _finds_room(self) -> bool:
        """Whether it may stay; in a crowd the one that has waited longest makes room for it."""
        if not (crowd := self._crowd()):
            return True
        waiting = [each for each in crowd if each.is_waiting]
        if not waiting:
            return False
        oldest = min(waiting, key=lambda each: each.waits_since_s)
        self.connections.discard(oldest)
        oldest.transport.abort()
        return True

    def _crowd(self) -> "list[Connection]":
        """The others, of its client or of all, if there are as many as may be."""
        others: Any = self.connections - {self}
        own = [each for each in others if each.address == self.address]
        if len(own) >= self.limits.client_connections:
            return own
        return [*others] if len(others) >= max_connections(self.limits) else []

    def _refuse(self, error: ApiError) -> None:
        """Answer without the application, and hang up."""
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
