"""Processor milliseconds of Whisper's products and layers in float32 and bfloat16, both in turns.

    OMP_NUM_THREADS=1 python benchmarks/precision.py [--shape base]

By these figures `precision: auto` chooses on a CPU. The decoder's layer is that of one token; its
attention is measured in float32 inside of bfloat16, as we decode, and in bfloat16.
"""

import argparse
import json
import sys
from unittest.mock import patch

import torch
from torch.nn.functional import linear

from mothertongue.decoding import speed
from mothertongue.model.precision import Speeds, faster, in_turns
from mothertongue.model.sizes import openai_config
from mothertongue.system.environment import environment
from mothertongue.system.json_files import to_json
from mothertongue.training.precision import training_speeds

ROWS, WIDTH, INNER = 1300, 512, 2048  # clips x frames, whisper-base's width, its feed-forward's


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", default="base", help="a shape of Whisper's")
    config = openai_config(parser.parse_args().shape)
    assert config is not None, "not a shape of Whisper's"
    training, decoding = training_speeds(config), speed.decoding_speeds(config)
    with patch.object(speed, "one_query_dtype", lambda dtype, device: dtype):
        in_bfloat16 = speed.decoding_speeds(config)
    found = {
        "product": rates(product()),
        "training": rates(training) | {"auto": faster(training).precision},
        "decoding": rates(decoding) | {"auto": faster(decoding).precision},
        "decoding, attention in bfloat16": rates(in_bfloat16),
        "threads": torch.get_num_threads(),
        "cpu": torch.cpu.get_capabilities().get("cpu_name"),
        "environment": to_json(environment()),
    }
    print(json.dumps(found, indent=2))
    return 0


def product() -> Speeds:
    """Return the seconds of one product of whisper-base's shape."""
    factors = torch.randn(ROWS, WIDTH), torch.randn(INNER, WIDTH)
    of = {dtype: [x.to(dtype) for x in factors] for dtype in (torch.float32, torch.bfloat16)}
    return in_turns(lambda dtype: linear(*of[dtype]))


def rates(speeds: Speeds) -> dict[str, float | str]:
    """Return milliseconds, and how many times as fast bfloat16 is."""
    milliseconds = {"fp32_ms": 1e3 * speeds.fp32_s, "bf16_ms": 1e3 * speeds.bf16_s}
    rounded = {name: round(value, 2) for name, value in milliseconds.items()}
    return rounded | {"times": round(speeds.fp32_s / speeds.bf16_s, 2)}


if __name__ == "__main__":
    sys.exit(main())
