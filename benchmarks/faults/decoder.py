"""The decoders of `serve`, given files as uploads."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from faults.forked import Outcome
from mothertongue.serving.errors import ApiError
from mothertongue.serving.limits import Limits
from mothertongue.serving.sandbox import Sandbox

KILLED = "AUD-COSTLY"  # the code of a file whose decoder died


def decode_as_server(paths: Sequence[Path]) -> list[Outcome]:
    """Return what one decoder says of each file, as the exit code of a verb."""
    return asyncio.run(_decode(paths))


async def _decode(paths: Sequence[Path]) -> list[Outcome]:
    sandbox = Sandbox(Limits(), 1)
    await sandbox.start()
    try:
        return [await _one(sandbox, path) for path in paths]
    finally:
        await sandbox.stop()


async def _one(sandbox: Sandbox, path: Path) -> Outcome:
    began = time.monotonic()
    code, said = 0, ""
    try:
        await sandbox.speech(path.read_bytes())
    except ApiError as error:
        code = 65 if error.status == 400 and error.code != KILLED else 1
        said = f"{path.name}: {error.message}"
    return Outcome(code, said, "", time.monotonic() - began, 0)
