"""Measures what broken files, killed processes and full disks do to the verbs.

    make faults [FAULTS="audio media ... --reduced --out FILE"]

Each part replaces its own in the JSON file; the page is written from all that is in it.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from faults import checkpoints, disk, kills, malformed, media, page
from faults.counts import REDUCED, Counts
from faults.home import Home, furnished
from mothertongue.system.console import console

OUT = Path(__file__).parents[2] / "docs/reliability.json"
CHOSEN = ("every", "mutants", "strategies", "kills", "sizes", "verbs")
PARTS: dict[str, Callable[[Home, Counts], dict[str, Any]]] = {
    **{kind: partial(malformed.run, kind=kind) for kind in malformed.KINDS},
    "media": media.run,
    "checkpoints": checkpoints.run,
    "kills": kills.run,
    "disk": disk.run,
}
if find_spec("faults.server"):
    PARTS["server"] = lambda home, counts: import_module("faults.server").run(counts.reduced)


def main() -> None:
    options = parse_arguments()
    counts = chosen_counts(options)
    with furnished() as home:
        for name in options.parts or PARTS:
            console.print(name, markup=False)
            began = time.monotonic()
            found = PARTS[name](home, counts)
            page.update(options.out, name, found, time.monotonic() - began)
    page.write(options.out)


def chosen_counts(options: argparse.Namespace) -> Counts:
    """Return what was asked for, and the rest of the whole campaign or of the reduced one."""
    given = {name: getattr(options, name) for name in (*CHOSEN, "verb")}
    chosen = {name: count for name, count in given.items() if count is not None}
    return replace(REDUCED if options.reduced else Counts(), **chosen)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default all")
    parser.add_argument("--reduced", action="store_true", help="a share of each, for a minute")
    parser.add_argument("--verb", choices=kills.VERBS, help="the one to kill; default all")
    whole = Counts()
    for name in CHOSEN:
        parser.add_argument(f"--{name}", type=int, help=f"default {getattr(whole, name):,}")
    parser.add_argument("--out", type=Path, default=OUT, help="the JSON; the page lies beside it")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; expected {', '.join(PARTS)}")
    return options


if __name__ == "__main__":
    main()
