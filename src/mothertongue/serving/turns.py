"""A fair queue: clients take turns, and then the requests of each client."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import chain
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """A queue of items; each turn takes one item."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[deque[T]]] = OrderedDict()

    def put(self, client: str, items: Iterable[T]) -> None:
        """Add the items of one request, at least one."""
        self._clients.setdefault(client, deque()).append(deque(items))

    def take(self) -> T:
        """Remove and return the item whose turn it is. Raises KeyError if nothing waits."""
        client, requests = self._clients.popitem(last=False)
        items = requests.popleft()
        item = items.popleft()
        if items:
            requests.append(items)
        if requests:
            self._clients[client] = requests  # behind all others
        return item

    def of(self, client: str) -> Iterator[T]:
        """Yield the items of one client."""
        return chain.from_iterable(self._clients.get(client, ()))

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(map(self.of, self._clients))

    def __bool__(self) -> bool:
        return bool(self._clients)


class Gate:
    """A fixed number of places; a free place goes to the client whose turn it is."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: Turns[asyncio.Future[None]] = Turns()

    @asynccontextmanager
    async def place(self, client: str) -> AsyncIterator[None]:
        """Wait for a place and hold it."""
        if self._free:
            self._free -= 1
        else:
            await self._turn(client)
        try:
            yield
        finally:
            self._pass_on()

    async def _turn(self, client: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.put(client, [turn])
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it had its place in the same moment
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.take()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
