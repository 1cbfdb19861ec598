"""What broken files, killed processes and full disks do to the verbs: the figures of a page.

    make faults [FAULTS="malformed media ... --reduced --out FILE"]

Each part replaces its own in the JSON file; the page is written from all that is in it.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults import checkpoints, disk, kills, malformed, media, page
from faults.home import Home, furnished
from mothertongue.progress import console

OUT = Path(__file__).parents[2] / "docs/reliability.json"
PARTS: dict[str, Callable[[Home, bool], dict[str, Any]]] = {
    "malformed": malformed.run,
    "media": media.run,
    "checkpoints": checkpoints.run,
    "kills": kills.run,
    "disk": disk.run,
}


def main() -> None:
    options = parse_arguments()
    with furnished() as home:
        for name in options.parts or PARTS:
            console.print(f"[bold]{name}[/bold]")
            began = time.monotonic()
            found = PARTS[name](home, options.reduced)
            page.update(options.out, name, found, time.monotonic() - began)
    page.write(options.out)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default all")
    parser.add_argument("--reduced", action="store_true", help="a share of each, for a minute")
    parser.add_argument("--out", type=Path, default=OUT, help="the JSON; the page lies beside it")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; expected {', '.join(PARTS)}")
    return options


if __name__ == "__main__":
    main()
