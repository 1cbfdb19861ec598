"""Mutated recordings of every container and codec through `decode`, in forks with a limit.

Seeded: bits flipped, bytes overwritten, cut, spliced, moved, and sizes replaced by others. A fork
decodes a batch; where one crashes, its file is counted and the next fork goes on behind it. Run it
with MALLOC_PERTURB_ set, so that what reads freed memory does not get away with it.
"""

import json
import os
import random
import signal
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from faults.counts import Counts
from faults.forked import Outcome, forked
from faults.home import Home
from faults.sounds import FORMATS, RATE_HZ, whole
from mothertongue.data.audio.load import AudioError, decode

BATCH = 500
SEED = 0
FILE_LIMIT_S, BATCH_LIMIT_S = 10, 300.0
SHORT_S, SHORT_RATIO = 0.1, 0.02  # `decode` itself may miss this much
EDGES = (0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
LAYOUTS = ("<B", "<H", ">H", "<I", ">I", "<Q", ">Q")
HEAD = 200  # most of the sizes of a file are here
Mutation = Callable[[bytearray, random.Random], bytearray]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged recording, made again from its number."""

    number: int

    @property
    def format(self) -> str:
        return FORMATS[self.number % len(FORMATS)]

    def content(self) -> bytes:
        """Its bytes: one to three mutations of the whole recording."""
        chance = random.Random(SEED * 10**9 + self.number)
        data = bytearray(whole(self.format))
        for _ in range(chance.randint(1, 3)):
            data = chance.choice(MUTATIONS)(data, chance) or data
        return bytes(data)


def run(home: Home, counts: Counts) -> dict[str, Any]:
    """Counts of crashes, refusals and silent losses, the peak of memory and the longest time."""
    lengths_s = {name: len(decode_bytes(whole(name), name)) / RATE_HZ for name in FORMATS}
    results: list[dict[str, Any]] = []
    crashes, peak_bytes, before_bytes = [], 0, _idle_bytes()
    for first in range(0, counts.mutants, BATCH):
        todo = range(first, min(counts.mutants, first + BATCH))
        while todo:
            done, outcome = _batch(todo)
            results += done
            peak_bytes = max(peak_bytes, outcome.peak_bytes)
            todo = todo[len(done) :]
            if todo:  # the one that was being decoded ended the fork
                crashes.append(_crash(Mutant(todo[0]), outcome))
                todo = todo[1:]
    return {
        "mutants": counts.mutants,
        "seed": SEED,
        "formats": list(FORMATS),
        "crashes": len(crashes),
        "refused": dict(Counter(each["code"] for each in results if each["code"])),
        "faults": dict(Counter(each["fault"] for each in results if each["fault"])),
        "taken": sum(not (each["code"] or each["fault"]) for each in results),
        "shorter": _shorter(results, lengths_s),
        "longest_s": max(each["seconds"] for each in results),
        "peak_bytes": peak_bytes,
        "idle_bytes": before_bytes,
        "found": [*crashes, *sorted({each["fault"] for each in results if each["fault"]})],
    }


def decode_bytes(data: bytes, name: str) -> Any:
    """The samples of a file of this content, 16 kHz (N,)."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"sound.{name}"
        path.write_bytes(data)
        return decode(path).samples_N


def _batch(numbers: range) -> tuple[list[dict[str, Any]], Outcome]:
    """A result for each that was decoded, and how the fork ended."""
    with TemporaryDirectory(prefix="media-") as folder:
        outcome = forked(lambda: _decode_all(numbers), Path(folder), BATCH_LIMIT_S)
        lines = (Path(folder) / "results").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines], outcome


def _decode_all(numbers: range) -> int:
    with open("results", "w", encoding="utf-8", buffering=1) as results:
        for number in numbers:
            signal.alarm(FILE_LIMIT_S)
            results.write(json.dumps(_result(Mutant(number))) + "\n")
    return 0


def _result(mutant: Mutant) -> dict[str, Any]:
    path = Path(f"mutant.{mutant.format}")
    path.write_bytes(mutant.content())
    before = os.times()
    code = fault = ""
    samples = 0
    try:
        samples = len(decode(path, max_duration_s=600.0).samples_N)
    except AudioError as error:
        code = error.code
    except Exception as error:  # whatever it is, it would have been a traceback
        fault = f"{mutant.format}: {type(error).__name__}: {error}"[:200]
    now = os.times()
    seconds = now.user + now.system - before.user - before.system
    facts = {"format": mutant.format, "code": code, "fault": fault}
    return facts | {"length_s": samples / RATE_HZ, "seconds": seconds, "number": mutant.number}


def _shorter(results: list[dict[str, Any]], lengths_s: dict[str, float]) -> dict[str, int]:
    """How many were taken though they are shorter than the whole recording, by format."""
    taken = [each for each in results if not (each["code"] or each["fault"])]
    found = Counter(
        each["format"]
        for each in taken
        if lengths_s[each["format"]] - each["length_s"]
        > max(SHORT_S, SHORT_RATIO * lengths_s[each["format"]])
    )
    return {name: found[name] for name in FORMATS}


def _crash(mutant: Mutant, outcome: Outcome) -> str:
    how = "hang" if outcome.hung else f"exit {outcome.code}"
    return f"{how}: mutant {mutant.number}, {mutant.format}"


def _idle_bytes() -> int:
    with TemporaryDirectory() as folder:
        return forked(lambda: 0, Path(folder), BATCH_LIMIT_S).peak_bytes


def _flip(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.choice((1, 1, 4, 32))):
        position = chance.randrange(len(data))
        data[position] ^= 1 << chance.randrange(8)
    return data


def _flip_head(data: bytearray, chance: random.Random) -> bytearray:
    data[chance.randrange(min(HEAD, len(data)))] ^= 1 << chance.randrange(8)
    return data


def _overwrite(data: bytearray, chance: random.Random) -> bytearray:
    start, count = chance.randrange(len(data)), chance.choice((4, 40, 400))
    data[start : start + count] = chance.randbytes(len(data[start : start + count]))
    return data


def _cut(data: bytearray, chance: random.Random) -> bytearray:
    return data[: chance.randrange(1, len(data) + 1)]


def _remove(data: bytearray, chance: random.Random) -> bytearray:
    start = chance.randrange(len(data))
    del data[start : start + chance.choice((1, 7, 100, 1000))]
    return data


def _repeat(data: bytearray, chance: random.Random) -> bytearray:
    start = chance.randrange(len(data))
    part = data[start : start + chance.choice((1, 7, 100, 1000))]
    return data[:start] + part + data[start:]


def _splice(data: bytearray, chance: random.Random) -> bytearray:
    other = whole(chance.choice(FORMATS))
    return data[: chance.randrange(len(data))] + other[chance.randrange(len(other)) :]


def _size(data: bytearray, chance: random.Random) -> bytearray:
    layout = chance.choice(LAYOUTS)
    width = struct.calcsize(layout)
    if len(data) <= width:
        return data
    position = chance.randrange(min(HEAD, len(data) - width))
    value = chance.choice((*EDGES, len(data), len(data) - position, chance.getrandbits(32)))
    struct.pack_into(layout, data, position, value % 256**width)
    return data


MUTATIONS: tuple[Mutation, ...] = (
    *(_flip, _flip_head, _flip_head, _overwrite, _cut, _remove, _repeat, _splice, _size, _size),
)
