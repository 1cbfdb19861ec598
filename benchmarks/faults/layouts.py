"""Corpora in every layout that a source reads, each with one of its files damaged.

A source's own examples are the whole corpora. Some damages are made by hand, others are the
mutations of the media, seeded. Nobody can say whether damaged text still has a right reading: it
may be taken or refused, but not with a traceback, a crash, a hang or another exit code.
"""

import random
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from faults.home import Home
from faults.inputs import Input, Write
from faults.media import MUTATIONS
from faults.sounds import whole
from mothertongue.config import members
from mothertongue.data import sources
from mothertongue.data.sources.base import Source

MUTANTS = 12  # a file
NUMBER = re.compile(rb"\d+(?:\.\d+)?")
BOMB = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "%s"><!ENTITY c "%s">
<!ENTITY d "%s"><!ENTITY e "%s">]><a>&e;</a>""" % tuple(
    name * 1000 for name in (b"&a;", b"&b;", b"&c;", b"&d;")
)
OUTSIDE = (
    b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>"""
)
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "utf16": lambda data: data.decode(errors="replace").encode("utf-16"),
    "utf16-half": lambda data: data.decode(errors="replace").encode("utf-16")[:-1],
    "latin1": lambda data: b"\xe9\xff" + data,
    "twice": lambda data: data + data,
    "deep-list": lambda data: b"[" * 100_000,
    "deep-tags": lambda data: b"<a>" * 100_000,
    "bomb": lambda data: BOMB,
    "outside": lambda data: OUTSIDE,
    "nan": lambda data: NUMBER.sub(b"nan", data),
    "infinite": lambda data: NUMBER.sub(b"1e999", data),
    "negative": lambda data: NUMBER.sub(b"-5", data),
    "long-numbers": lambda data: NUMBER.sub(b"9" * 5000, data),  # Python refuses to read it
    "huge-numbers": lambda data: NUMBER.sub(b"9" * 400, data),  # no float is so large
    "up": lambda data: data.replace(b"a.", b"../../../etc/a."),
    "controls": lambda data: data.replace(b"a", b"\x1b[2J\x00"),
}


def inputs() -> Iterator[Input]:
    """Every one of them."""
    for kind in members(Source, sources):
        for number, example in enumerate(kind.examples):
            for name, content in example.items():
                if content:
                    yield from _damaged(f"{kind.layout()}-{number}", example, name)


def _damaged(corpus: str, example: Mapping[str, str | bytes], name: str) -> Iterator[Input]:
    whole_file = _bytes(example[name])
    title = f"{corpus}-{name.replace('/', '-')}"
    for damage, change in DAMAGES.items():
        yield Input(
            "folder", f"{title}-{damage}", _corpus(example, name, change(whole_file)), code=None
        )
    for number in range(MUTANTS):
        # A seed of the name and not of the place: a new source changes no other's mutants.
        chance = random.Random(zlib.crc32(f"{title} {number}".encode()))
        data = bytearray(whole_file)
        for _ in range(chance.randint(1, 3)):
            data = data and (chance.choice(MUTATIONS)(data, chance) or data)
        yield Input("folder", f"{title}-{number}", _corpus(example, name, bytes(data)), code=None)


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _corpus(example: Mapping[str, str | bytes], damaged: str, data: bytes) -> Write:
    def write(path: Path, home: Home) -> None:
        for name, content in example.items():
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix in (".wav", ".mp3", ".flac"):
                file.write_bytes(whole("wav"))
            else:
                file.write_bytes(data if name == damaged else _bytes(content))

    return write
