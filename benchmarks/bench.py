"""mothertongue beside its peers: the same base, clips, batches, precision and steps, in one run.

    python benchmarks/bench.py [train decode scaling wer usual sandbox ...] [--data DIR] ...

Every candidate is a child process, so that its peak memory is its own; rounds go through all of
them in turn, so that a machine that slows down slows down everyone. Figures are medians over
rounds. Each section replaces its part of the JSON file, one for each precision; the page is written
from all that is in it.
Without --data: the demo's synthetic Swahili, and whisper-base untuned where it decodes.
"""

import argparse
import os
import sys
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import page
import torch
from sections import decode, sandbox, scaling, train, usual, wer

from mothertongue.model.load import load_base
from mothertongue.system.console import console
from mothertongue.system.environment import environment
from mothertongue.system.json_files import to_json

DEMO_DATA = Path(str(files("mothertongue"))) / "recipes/demo_data"
OUT = Path(__file__).parents[1] / "docs/benchmarks.json"
SECTIONS = {
    "train": train.measure,
    "decode": decode.measure,
    "scaling": scaling.measure,
    "wer": wer.measure,
    "usual": usual.measure,
    "sandbox": sandbox.measure,
}


def main() -> None:
    options = parse_arguments()
    base = load_base(options.base)
    for section in options.sections or SECTIONS:
        console.print(f"[bold]{section}[/bold]")
        with TemporaryDirectory() as folder:
            found = SECTIONS[section](options, base, Path(folder))
        page.update(options.out, f"{section} {options.precision}", facts(options) | found)
    page.write(options.out)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; default all")
    parser.add_argument("--data", type=Path, default=DEMO_DATA)
    parser.add_argument("--data-name", help="what the page calls it; default its folder's name")
    parser.add_argument("--language", default="sw")
    parser.add_argument("--base", default="openai/whisper-base")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--out", type=Path, default=OUT)
    of_train = parser.add_argument_group("train")
    of_train.add_argument("--steps", type=int, default=4)
    names = list(train.STRATEGIES)
    of_train.add_argument("--only", nargs="*", default=names, choices=names)
    of_decode = parser.add_argument_group("decode")
    of_decode.add_argument("--model", help="a run whose weights fold; default the base")
    of_decode.add_argument("--decode-batch-size", type=int, default=16)
    of_wer = parser.add_argument_group("wer")
    of_wer.add_argument("--epochs", type=int, default=2)
    of_wer.add_argument("--train-clips", type=int, default=200)
    of_wer.add_argument("--learning-rate", type=float, default=3e-5)
    of_usual = parser.add_argument_group("usual")
    of_usual.add_argument("--usual-steps", type=int, default=115, help="of its one long run")
    of_sandbox = parser.add_argument_group("sandbox")
    of_sandbox.add_argument("--sandbox-clips", type=int, default=1000)
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(
            f"unknown section {', '.join(sorted(unknown))}; expected {', '.join(SECTIONS)}"
        )
    return options


def facts(options: argparse.Namespace) -> dict[str, Any]:
    """What the figures of a section depend on."""
    return {
        "data": options.data_name or options.data.resolve().name,
        "base": options.base,
        "precision": options.precision,
        "threads": options.threads,
        "processor": processor(),
        "environment": to_json(environment()),
    }


def processor() -> str:
    """Its name, and whether it multiplies matrices in bfloat16 by itself."""
    can = torch.cpu.get_capabilities()
    return f"{can.get('cpu_name', 'unknown')}, {'with' if can.get('amx_bf16') else 'without'} AMX"


if __name__ == "__main__":
    sys.exit(main())
