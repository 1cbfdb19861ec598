"""Decoding with slots beside decoding batch by batch, in turns: the same clips, the same tokens.

    python benchmarks/slots.py [--shape base] [--precision fp32] [--out slots.json]

A clip that ends gives its slot to the next one; a batch waits for its longest text. Random weights
on noise: a clip has FLEURS-like seconds, and as many tokens as its own rate of speech gives.
The processor's seconds of the search alone, without the encoder: medians of some rounds, both sides
in turn.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import gpu_decoding
import numpy as np
import torch

from mothertongue.decoding.search import Search, Waiting
from mothertongue.model.context import FRAMES_PER_S
from mothertongue.model.sizes import openai_config
from mothertongue.system.environment import environment
from mothertongue.system.files import write_json

MEAN_S, DEVIATION_S = 12.0, 4.5
TOKENS_PER_S, ITS_DEVIATION = 5.0, 1.0


def main() -> int:
    options = parse_arguments()
    config = openai_config(options.shape)
    assert config is not None, f"{options.shape}: not a shape of Whisper's"
    torch.manual_seed(0)
    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    model = gpu_decoding.made(config, torch.device("cpu"), dtype)
    facts = {"shape": options.shape, "precision": options.precision, "clips": options.clips}
    facts |= {"slots": options.slots, "rounds": options.rounds, "seed": 0}
    facts |= {"threads": torch.get_num_threads(), "environment": environment()}
    clips = drawn(options.clips, config.d_model, dtype)
    rows = []
    for beam_size in options.beams:
        search = gpu_decoding.searching(model, options.slots, beam_size, has_graphs=False)
        rows.append({"beam_size": beam_size, **measure(search, clips, options.rounds)})
        print(json.dumps(rows[-1]), flush=True)
    if options.out is not None:
        write_json(options.out, facts | {"rows": rows})
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", default="base", help="a shape of Whisper's")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--beams", type=int, nargs="*", default=[1, 5])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def drawn(count: int, width: int, dtype: torch.dtype) -> list[Waiting]:
    """Return clips, the longest first, as the transcriber orders them."""
    rng = np.random.default_rng(0)
    seconds = np.sort(rng.normal(MEAN_S, DEVIATION_S, count).clip(3, 30))[::-1]
    rates = rng.normal(TOKENS_PER_S, ITS_DEVIATION, count).clip(1, None)
    return [
        gpu_decoding.waiting(
            i, torch.randn(int(clip_s * FRAMES_PER_S), width).to(dtype), int(clip_s * rate)
        )
        for i, (clip_s, rate) in enumerate(zip(seconds, rates, strict=True))
    ]


@torch.inference_mode()
def measure(search: Search, clips: Sequence[Waiting], rounds: int) -> dict[str, float]:
    """Return the processor's seconds of each side, and how many times as fast slots are."""
    size = search.most
    batches = [clips[i : i + size] for i in range(0, len(clips), size)]
    gpu_decoding.texts(search, clips[-2 * size :])  # warms up
    times_s: dict[str, list[float]] = {"slots": [], "batches": []}
    for _ in range(rounds):
        for name, parts in (("slots", [clips]), ("batches", batches)):
            began = time.process_time()
            found = [gpu_decoding.texts(search, part) for part in parts]
            times_s[name].append(time.process_time() - began)
            tokens = {clip: len(text) for part in found for clip, text in part.items()}
            assert tokens == {each.clip: each.limit for each in clips}
    slots_s, batches_s = map(statistics.median, times_s.values())
    return {"slots_s": slots_s, "batches_s": batches_s, "times": batches_s / slots_s}


if __name__ == "__main__":
    sys.exit(main())
