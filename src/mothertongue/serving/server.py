"""The server as a process: models in memory before it listens, requests finished before it ends."""

import ipaddress
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mothertongue.errors import ConfigError
from mothertongue.progress import console
from mothertongue.serving.app import make_app
from mothertongue.serving.batching import Batcher
from mothertongue.serving.errors import ApiError
from mothertongue.serving.guard import State
from mothertongue.serving.limits import Limits
from mothertongue.serving.metrics import Metrics
from mothertongue.serving.models import Offer
from mothertongue.serving.sandbox import Sandbox
from mothertongue.serving.turns import Gate
from mothertongue.serving.work import Service

KEY = "MOTHERTONGUE_API_KEY"
HEADERS_S = 30.0
MIN_KEY = 16


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and the key that clients must send."""

    host: str
    port: int
    key: str | None


def address(host: str, port: int, key_file: Path | None) -> Address:
    """Raises ConfigError where others than this machine could ask without a key."""
    key = key_file.read_text(encoding="utf-8").strip() if key_file else os.environ.get(KEY)
    if key is not None and len(key) < MIN_KEY:
        raise ConfigError(f"the key has {len(key)} characters; expected at least {MIN_KEY}")
    if key is None and not _is_loopback(host):
        raise ConfigError(
            f"--host {host} is open to others, and there is no key; set {KEY} or --key-file"
        )
    return Address(host, port, key)


def serve(offer: Offer, where: Address, limits: Limits, batch_size: int, decoders: int) -> None:
    """Serve until SIGTERM or Ctrl-C; then finish what was begun, for `limits.drain_s` at most.

    Raises ConfigError where it cannot listen.
    """
    server = make_server(offer, where, limits, batch_size, decoders)
    with suppress(SystemExit):  # uvicorn's, where it cannot listen
        server.run()
    if not server.started:
        raise ConfigError(f"{where.host}:{where.port}: cannot listen there; give another --port")


def make_server(
    offer: Offer, where: Address, limits: Limits, batch_size: int, decoders: int
) -> "Server":
    """A server that is ready to run."""
    state, metrics = State(), Metrics()
    batchers = [
        Batcher(engine, batch_size, limits.pieces, metrics.batch) for engine in offer.engines
    ]
    metrics.watch(lambda: state.running, lambda: sum(each.waiting for each in batchers))
    service = Service(batchers, Sandbox(limits, decoders), Gate(decoders), limits, metrics)
    config = uvicorn.Config(
        make_app(service, offer.models, state, where.key),
        host=where.host,
        port=where.port,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    return Server(config, state, limits.drain_s)


class Server(uvicorn.Server):
    """uvicorn's, but a signal first turns new work away, and ends it when the last is done."""

    def __init__(self, config: uvicorn.Config, state: State, drain_s: float) -> None:
        super().__init__(config)
        self.state, self.drain_s, self.until_s = state, drain_s, 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second ends at once."""
        if self.state.is_draining:
            self.should_exit = self.force_exit = True
            return
        self.state.is_draining = True
        self.until_s = time.monotonic() + self.drain_s

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop, asked ten times a second."""
        if self.state.is_draining and (not self.state.running or time.monotonic() > self.until_s):
            self.should_exit = True
        return await super().on_tick(counter)

    async def startup(self, sockets: Any = None) -> None:
        """Say where it listens, once it does."""
        await super().startup(sockets)
        if self.started:
            console.print(f"listening on {self.url}", highlight=False)

    @property
    def url(self) -> str:
        """Where it listens, once it does."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Protocol(H11Protocol):
    """uvicorn's, but it waits a while only for a request to begin, and its 400 has our shape."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.loop.call_later(HEADERS_S, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """To what is no HTTP."""
        response = ApiError(400, msg, "invalid_http").response()
        headers = [*response.raw_headers, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(response.body)),
            h11.EndOfMessage(),
        ):
            if output := self.conn.send(event):
                self.transport.write(output)
        self.transport.close()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
