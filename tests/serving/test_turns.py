"""Clients take turns at what only a few can have at a time."""

import asyncio

from mothertongue.serving.turns import Gate


def test_a_gate_lets_clients_in_by_turns() -> None:
    came: list[str] = []

    async def use(gate: Gate, client: str, go: asyncio.Event) -> None:
        async with gate.place(client):
            came.append(client)
            await go.wait()

    async def work() -> None:
        gate, go = Gate(1), asyncio.Event()
        asks = [asyncio.create_task(use(gate, each, go)) for each in ("a", "a", "a", "b", "a")]
        while not came:
            await asyncio.sleep(0)
        go.set()
        await asyncio.gather(*asks)

    asyncio.run(work())
    assert came == ["a", "a", "b", "a", "a"]


def test_who_leaves_a_gate_takes_no_place_along() -> None:
    async def work() -> None:
        gate = Gate(1)
        async with gate.place("a"):
            waits = [asyncio.create_task(gate.place(each).__aenter__()) for each in "bc"]
            await asyncio.sleep(0)
            waits[0].cancel()  # while it waits
            await asyncio.sleep(0)
        waits[1].cancel()  # in the moment in which it has its place
        await asyncio.gather(*waits, return_exceptions=True)
        async with asyncio.timeout(5), gate.place("d"):
            pass

    asyncio.run(work())
