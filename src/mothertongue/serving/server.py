"""Run the server process: load models, listen, and finish requests before it ends."""

import math
import time
from functools import partial
from types import FrameType
from typing import Any

import uvicorn

from mothertongue.data.sandbox.process import WorkerError
from mothertongue.errors import MothertongueError
from mothertongue.model.devices import give_back_freed_memory
from mothertongue.serving import logs
from mothertongue.serving.address import Address, listen
from mothertongue.serving.app import make_app
from mothertongue.serving.batching import Batcher, close_all
from mothertongue.serving.connections import Connection, max_connections
from mothertongue.serving.limits import Limits
from mothertongue.serving.metrics import Metrics
from mothertongue.serving.models import ModelRegistry
from mothertongue.serving.request_limits import State
from mothertongue.serving.sandbox import Sandbox
from mothertongue.serving.service import Service
from mothertongue.serving.turns import Gate
from mothertongue.system.console import note

LAST_BATCHES_S = 30.0
"""How long the engines may take, after the drain, for batches that nobody waits for any more."""


def serve(
    offer: ModelRegistry, where: Address, limits: Limits, batch_size: int, decoders: int
) -> None:
    """Serve until SIGTERM or Ctrl-C; then finish running requests, for at most `limits.drain_s`.

    Raises ConfigError where it cannot listen, MothertongueError where no decoder starts.
    """
    logs.set_up()
    make_server(offer, where, limits, batch_size, decoders).run()


def make_server(
    offer: ModelRegistry, where: Address, limits: Limits, batch_size: int, decoders: int
) -> "Server":
    """Return a server that is ready to run."""
    state, metrics = State(), Metrics()
    batchers = [
        Batcher(engine, batch_size, limits.pieces, metrics.batch) for engine in offer.engines
    ]
    metrics.watch(lambda: state.running, lambda: sum(each.waiting for each in batchers))
    service = Service(batchers, Sandbox(limits, decoders), Gate(decoders), limits, metrics)
    connection: Any = partial(Connection, limits=limits)
    config = uvicorn.Config(
        make_app(service, offer.models, state, where.key),
        http=connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        # So many are accepted at once before any is refused: they must not use up all files.
        backlog=max(1, max_connections(limits) // 2),
    )
    return Server(config, where, service, state)


class Server(uvicorn.Server):
    """uvicorn's server; after a signal it refuses new work and ends with the last request."""

    def __init__(
        self, config: uvicorn.Config, where: Address, service: Service, state: State
    ) -> None:
        super().__init__(config)
        self.where, self.service, self.state, self.until_s = where, service, state, 0.0
        self.worked_s = math.inf

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Finish running requests at the first signal, end at once at the second."""
        if self.state.is_draining:
            self.should_exit = self.force_exit = True
            return
        self.state.is_draining = True
        self.until_s = time.monotonic() + self.service.limits.drain_s

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop; called ten times a second."""
        if self.state.is_draining and (not self.state.running or time.monotonic() > self.until_s):
            self.should_exit = True
        self._tidy()
        return await super().on_tick(counter)

    def _tidy(self) -> None:
        """Give memory back after some time without work: uploads leave much."""
        if self.state.running:
            self.worked_s = time.monotonic()
        elif time.monotonic() - self.worked_s > self.service.limits.idle_s:
            self.worked_s = math.inf
            give_back_freed_memory()

    async def startup(self, sockets: Any = None) -> None:
        """Start the decoders, listen and print the URL."""
        sockets = listen(self.where)
        try:
            await self.service.sandbox.start()
        except WorkerError as error:
            for each in sockets:
                each.close()
            raise MothertongueError(f"the server cannot start: {error}") from None
        await super().startup(sockets)
        note(f"listening on {self.url}")

    async def shutdown(self, sockets: Any = None) -> None:
        """Stop listening, and then the decoders and the engines."""
        await super().shutdown(sockets)
        if self.force_exit:
            return
        await self.service.sandbox.stop()
        close_all(self.service.batchers, LAST_BATCHES_S)

    @property
    def url(self) -> str:
        """Return the URL of the server, once it listens."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
