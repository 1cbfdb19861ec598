"""large-v2's shape on one GPU: ours and the transformers/PEFT recipe, ending with the goals.

    python benchmarks/gpu.py a --out gpu.json      # each strategy, step by step: 9 minutes
    python benchmarks/gpu.py b --out gpu.json      # larger batches, a real run, decoding: 9 minutes

Both write into one file, after each row. A row that would not end within `--budget` seconds is left
out, and the page says so. The peer is measured in the same call, on the same card. See
gpu_training.py and gpu_decoding.py for what a row is.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gpu_decoding
import torch
from gpu_training import (
    COMPILED,
    CUDNN,
    GRAPHS,
    LAYERS,
    LEAN,
    PEER,
    STORED,
    Setup,
    ceiling_tflops,
    forget,
    profiled,
    real_run,
    row,
    strategies,
)
from transformers import WhisperConfig
from transformers.utils import logging as transformers_logging

from mothertongue.model.sizes import openai_config
from mothertongue.system.environment import environment
from mothertongue.system.files import write_json
from mothertongue.system.json_files import to_json

Json = dict[str, Any]
# Dense bfloat16, NVIDIA's data sheets.
PEAK_TFLOPS = {"H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312, "L40S": 362, "4090": 165}
TINY = {"encoder_layers": 2, "decoder_layers": 2, "d_model": 64, "encoder_ffn_dim": 64}
TINY |= {"decoder_ffn_dim": 64, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
MARGIN = 1.2  # of the time of the row before, that the next may need
RUN_STEPS = {PEER: 40, GRAPHS: 300}


def main() -> int:
    options = parse_arguments()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no GPU here: benchmarks/gpu.py needs one that CUDA finds", file=sys.stderr)
        return 1
    transformers_logging.set_verbosity_error()
    setup = setup_of(options)
    found = begun(options.out, setup, options.shape)
    budget = Budget(options.budget)
    for key, measure in work(options, setup):
        if budget.is_over():
            print(f"{' '.join(key)}: not measured, the time is over", flush=True)
            continue
        found["rows"] = [each for each in found["rows"] if each["key"] != list(key)]
        if measured := budget.timed(measure):
            found["rows"].append({"key": list(key), **measured})
            print(line(found["rows"][-1], found), flush=True)
            write_json(options.out, found)
    print(*goals(found), sep="\n")
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("call", choices=["a", "b"])
    parser.add_argument("--shape", default="large-v2", help="a shape of Whisper's, or tiny-test")
    parser.add_argument("--steps", type=int, default=10, help="measured steps of a row")
    parser.add_argument("--budget", type=float, default=540.0, help="seconds, for the whole call")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    return parser.parse_args()


def setup_of(options: argparse.Namespace) -> Setup:
    """Return the setup of a call; tiny-test is for a machine without a GPU."""
    is_tiny = options.shape == "tiny-test"
    config = openai_config("tiny" if is_tiny else options.shape)
    assert config is not None, f"{options.shape}: not a shape of Whisper's"
    if is_tiny:
        config = WhisperConfig(**{**config.to_dict(), **TINY})
    device = torch.device(options.device)
    return Setup(config, device, options.steps, 1 if is_tiny else 5, 2 if is_tiny else 8)


class Budget:
    """The seconds of a call, and what the last row took."""

    def __init__(self, seconds: float) -> None:
        self.ends, self.last_s = time.monotonic() + seconds, 0.0

    def is_over(self) -> bool:
        """Return whether another row would not end in time."""
        return time.monotonic() + MARGIN * self.last_s > self.ends

    def timed(self, measure: Callable[[], Json | None]) -> Json | None:
        """Return what is measured, and remember how long it took."""
        began = time.monotonic()
        found = measure()
        self.last_s = time.monotonic() - began
        return found


def begun(out: Path, setup: Setup, shape: str) -> Json:
    """Return what another call on this card left in the file, or an empty result."""
    name = torch.cuda.get_device_name() if setup.device.type == "cuda" else "CPU"
    facts = {
        "device": name,
        "shape": shape,
        "steps": setup.steps,
        "environment": to_json(environment()),
    }
    if out.is_file():
        before: Json = json.loads(out.read_text())
        if all(before.get(key) == value for key, value in facts.items()):
            return before
    peak = next((value for key, value in PEAK_TFLOPS.items() if key in name), None)
    ceiling = ceiling_tflops(setup.device)
    return facts | {"peak_tflops": peak, "ceiling_tflops": ceiling, "rows": []}


Work = Iterator[tuple[tuple[str, ...], Callable[[], Json | None]]]


def work(options: argparse.Namespace, setup: Setup) -> Work:
    """Yield the key of each row of a call and how it is measured, what matters most first."""
    yield from steps_by_strategy(setup) if options.call == "a" else runs_and_decoding(setup)


def steps_by_strategy(setup: Setup) -> Work:
    """Yield the rows of call a."""
    labels = strategies(setup.config)
    chosen = [name for name in labels if not name.startswith("reinit") and name != "bottleneck"]
    for mean in ("12 s", "30 s"):
        # A CPU only tries whether all of it runs.
        for label in chosen if mean == "12 s" or setup.device.type == "cuda" else chosen[:1]:
            for who in (PEER, GRAPHS, STORED, LEAN, LAYERS):
                yield (label, mean, who), partial(row, label, who, mean, setup)
    for who in (PEER, GRAPHS, LEAN):
        yield ("full", "12 s", f"profile, {who}"), partial(profiled, "full", who, "12 s", setup)
    yield ("full", "30 s", CUDNN), partial(row, "full", CUDNN, "30 s", setup)
    if setup.device.type == "cuda":  # a CPU would compile for minutes
        yield ("full", "12 s", COMPILED), partial(row, "full", COMPILED, "12 s", setup)


def runs_and_decoding(setup: Setup) -> Work:
    """Yield the rows of call b."""
    for times in (4, 2):
        larger = replace(setup, batch_size=times * setup.batch_size, steps=max(1, setup.steps // 2))
        yield (
            ("full", "12 s", f"batch {larger.batch_size}"),
            partial(row, "full", GRAPHS, "12 s", larger),
        )
    for who, steps in RUN_STEPS.items():
        count = steps if setup.device.type == "cuda" else 3
        yield ("real run", "12 s", who), partial(real_run, who, setup, count)
    model = None
    sizes = ((30, 1, 16), (12, 1, 16), (12, 1, 1), (12, 5, 1), (12, 5, 16))
    for clip_s, beam_size, size in sizes if setup.device.type == "cuda" else ((1, 1, 2),):
        if model is None:
            forget(setup.device)
            model = gpu_decoding.made(setup.config, setup.device)
        key = ("decoding", f"{clip_s} s", f"{size} clips, beam {beam_size}")
        yield key, partial(gpu_decoding.measure, model, size, clip_s, beam_size, rounds=2)


def line(each: Json, facts: Json) -> str:
    """Return a row as a line of text."""
    title = f"{' | '.join(each['key']):<44}"
    if "seconds" not in each or "tflop" not in each:
        shown = {key: value for key, value in each.items() if key != "key"}
        return f"{title} " + ", ".join(f"{key} {_short(value)}" for key, value in shown.items())
    rate = each["tflop"] / each["seconds"]
    peak = facts["peak_tflops"]
    mfu = f"MFU {rate / peak:.0%}  " if peak else ""
    return (
        f"{title} {each['trained']:>13,}  {each['seconds']:.3f} s/step  "
        f"{each['peak_memory_bytes'] / 1e9:.1f} GB  {mfu}"
        f"{rate / facts['ceiling_tflops']:.0%} of the ceiling"
    )


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


GOALS: tuple[tuple[str, tuple[str, str], tuple[str, ...], float], ...] = (
    ("full", ("full", "12 s"), (GRAPHS,), 3.0),
    ("freeze", ("freeze", "12 s"), (GRAPHS, STORED), 4.0),
    ("bottleneck on top", ("bottleneck top", "12 s"), (GRAPHS, STORED), 5.0),
    ("LoRA", ("lora", "12 s"), (GRAPHS,), 3.5),
)
"""Title, the row's strategy and lengths, the candidates, and times the peer's clips a second."""


def goals(found: Json) -> Iterator[str]:
    """Yield the table of the goals: what was measured, and what is wanted."""
    yield f"\n{'goal':<44} {'measured':>10} {'wanted':>8}"
    rows = {tuple(each["key"]): each for each in found["rows"]}
    for title, (strategy, mean), candidates, wanted in GOALS:
        names = {key[0] for key in rows if key[0].startswith(strategy) and key[1] == mean}
        for name in names:
            for who in candidates:
                peer, ours = rows.get((name, mean, PEER)), rows.get((name, mean, who))
                measured = f"{peer['seconds'] / ours['seconds']:.2f}" if peer and ours else "-"
                yield f"{f'{title}, {mean}, {who}: times the peer':<44} {measured:>10} {wanted:>8}"
    peer, ours = (rows.get(("real run", "12 s", who)) for who in (PEER, GRAPHS))
    measured = f"{ours['clips_per_s'] / peer['clips_per_s']:.2f}" if peer and ours else "-"
    yield f"{'a real run: times the peer':<44} {measured:>10} {2.5:>8}"
    for key, each in rows.items():
        if key[0] == "decoding" and gpu_decoding.GRAPHS in each:
            measured = f"{each[gpu_decoding.GRAPHS] / each['transformers']:.2f}"
            title = f"{' '.join(key)}: times generate"
            yield f"{title:<44} {measured:>10} {6.0:>8}"
    large = next((each for key, each in rows.items() if key[2].startswith("batch 32")), None)
    if large and found["peak_tflops"]:
        mfu = large["tflop"] / large["seconds"] / found["peak_tflops"]
        yield f"{'MFU of full at batch 32':<44} {mfu:>10.0%} {'45%':>8}"


if __name__ == "__main__":
    sys.exit(main())
