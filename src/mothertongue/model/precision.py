"""Choose between bfloat16 and float32 by the seconds that this processor takes for each.

They are measured once for a kind of work, kept for this user, and read from then on: a command that
is given twice computes in one precision, however busy the machine is.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from transformers import WhisperConfig

from mothertongue.model.devices import has_bf16
from mothertongue.system.cache import state_folder
from mothertongue.system.files import write_json
from mothertongue.system.json_files import read_json
from mothertongue.system.locks import locked

MARGIN = 1.1
"""bfloat16 must be faster by this factor: where they are near each other, float32 is more exact."""
NARROWEST = 384
"""The width of Whisper tiny. The layers of a narrower base are too small to tell."""
LEAST_ROUNDS, MOST_ROUNDS, ENOUGH_S = 3, 15, 0.5


@dataclass(frozen=True, slots=True)
class Speeds:
    """The processor's seconds that the same work takes in each precision."""

    fp32_s: float
    bf16_s: float


@dataclass(frozen=True, slots=True)
class Choice:
    """A precision, and what was measured; nothing where it follows from the device."""

    precision: Literal["bf16", "fp32"]
    speeds: Speeds | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of the activations."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def facts(self) -> dict[str, float] | None:
        """Return the seconds as JSON values."""
        return asdict(self.speeds) if self.speeds else None


def faster(speeds: Speeds) -> Choice:
    """Return the choice that follows from what was measured."""
    return Choice("bf16" if MARGIN * speeds.bf16_s < speeds.fp32_s else "fp32", speeds)


def choose(
    work: str, config: WhisperConfig, device: torch.device, measure: Callable[[], Speeds]
) -> Choice:
    """Return the faster precision for a kind of work of a base of this shape.

    `measure` is called where nobody measured this work on this kind of processor, and only where a
    CPU has instructions for bfloat16.
    """
    if device.type != "cpu":
        return Choice("bf16" if has_bf16(device) else "fp32")
    can = torch.cpu.get_capabilities()
    if config.d_model < NARROWEST or not (can.get("amx_bf16") or can.get("avx512_bf16")):
        return Choice("fp32")
    shape = [config.d_model, config.encoder_ffn_dim, config.encoder_layers, config.decoder_layers]
    return faster(_remembered([work, shape, can.get("cpu_name"), torch.__version__], measure))


def in_turns(work: Callable[[torch.dtype], object]) -> Speeds:
    """Return the median seconds of `work` in each type; both are called in turn after a warm-up.

    They are the processor's seconds: other programs slow the clock on the wall, not these.
    """
    times: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    for dtype in times:
        work(dtype)
    until = time.process_time() + ENOUGH_S
    for done in range(MOST_ROUNDS):
        if done >= LEAST_ROUNDS and time.process_time() > until:
            break
        for dtype, found in times.items():
            began = time.process_time()
            work(dtype)
            found.append(time.process_time() - began)
    return Speeds(*map(statistics.median, times.values()))


def _remembered(key: list[object], measure: Callable[[], Speeds]) -> Speeds:
    path, name = state_folder() / "precision.json", json.dumps(key)
    try:
        with locked(path.with_suffix(".lock")):
            known = _read(path)
            if name not in known:
                known[name] = measure()
                write_json(path, known)
            return known[name]
    except OSError:  # nowhere to write
        return measure()


def _read(path: Path) -> dict[str, Speeds]:
    if not path.is_file():
        return {}
    known: dict[str, Speeds] = read_json(path, dict[str, Speeds], "remove it to measure again")
    return known
