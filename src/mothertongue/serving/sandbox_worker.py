"""Audio that nobody trusts to pieces of speech, in a process with little to lose.

python -m mothertongue.serving.sandbox_worker LIMITS.json-text

It reads a file from standard input (8 bytes of its length, then the file) and writes what it heard
to standard output (8 bytes of the length of a JSON header, the header, then the samples of all
pieces as float32), again and again. Its memory and its time for each file are limited by the
system. No torch.
"""

import json
import os
import resource
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO

import numpy as np

from mothertongue.audio import SAMPLE_RATE_HZ, AudioError, stream_audio
from mothertongue.transcription.speech import Find, everything, has_detector, pieces, voiced

LENGTH = struct.Struct("<Q")
Json = dict[str, Any]


def main() -> None:
    """Work until standard input ends."""
    limits: Json = json.loads(sys.argv[1])
    # What libraries print must not get between the answers.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    find = voiced if has_detector() else everything
    find(np.zeros(SAMPLE_RATE_HZ, np.float32))  # loads the detector before memory is limited
    _limit_memory(limits["decode_bytes"])
    _answer(out, {"ready": True}, [])
    while (head := sys.stdin.buffer.read(LENGTH.size)) and len(head) == LENGTH.size:
        data = sys.stdin.buffer.read(LENGTH.unpack(head)[0])
        _limit_time(limits["decode_s"])
        _answer(out, *_heard(data, limits["audio_s"], find))


def _heard(data: bytes, audio_s: float, find: Find) -> tuple[Json, list[Any]]:
    duration_s = 0.0

    def counted(path: Path) -> Any:
        nonlocal duration_s
        for block_N in stream_audio(path, audio_s):
            duration_s += len(block_N) / SAMPLE_RATE_HZ
            yield block_N

    try:
        found = _with_file(data, lambda path: list(pieces(counted(path), find)))
    except AudioError as error:
        reason = error.reason.partition(": ")[2] or error.reason  # without the file's own name
        return {"code": error.code, "message": f"{reason}; {error.fix}"}, []
    except MemoryError:
        return {"code": "AUD-COSTLY", "message": "takes too much memory to decode"}, []
    starts = [each.start_s for each in found]
    lengths = [len(each.samples_N) for each in found]
    header = {"duration_s": duration_s, "starts_s": starts, "lengths": lengths}
    return header, [each.samples_N for each in found]


def _with_file(data: bytes, use: Callable[[Path], Any]) -> Any:
    """The file under a name that is gone with this process, however it ends."""
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("audio"), "wb") as file:
            file.write(data)
            file.flush()
            return use(Path(f"/proc/self/fd/{file.fileno()}"))
    with NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return use(Path(file.name))


def _answer(out: BinaryIO, header: Json, parts: list[Any]) -> None:
    text = json.dumps(header).encode()
    out.write(LENGTH.pack(len(text)) + text)
    for part in parts:
        out.write(np.ascontiguousarray(part, np.float32).tobytes())
    out.flush()


def _limit_memory(more_bytes: int) -> None:
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + more_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
